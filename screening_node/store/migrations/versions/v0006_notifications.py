"""Notifications: outbox rows that belong to no result, what has been told, and what processes measure."""

import sqlalchemy as sa
from alembic import op

from screening_node.store.types import RowId, UtcDateTime

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add two tables, and let a row of the outbox name no result."""
    with op.batch_alter_table("outbox") as outbox:  # SQLite has to write the table anew
        outbox.alter_column("result_id", existing_type=RowId, nullable=True)
    op.create_table(
        "notices",
        sa.Column("id", RowId, nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("began_at", UtcDateTime(), nullable=False),
        sa.Column("told_at", UtcDateTime(), nullable=False),
        sa.Column("ended_at", UtcDateTime(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_notices")),
    )
    standing = sa.text("ended_at IS NULL")
    op.create_index(
        "uq_notices_standing",
        "notices",
        ["subject"],
        unique=True,
        sqlite_where=standing,
        postgresql_where=standing,
    )
    op.create_index(op.f("ix_notices_kind_began_at"), "notices", ["kind", "began_at"], unique=False)
    op.create_index(op.f("ix_notices_kind_told_at"), "notices", ["kind", "told_at"], unique=False)
    op.create_table(
        "gauges",
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("value", sa.Float(), nullable=False),
        sa.Column("at", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("source", "name", name=op.f("pk_gauges")),
    )


def downgrade() -> None:
    """Drop them, and the notifications with them: the tables are those of 0005 again."""
    op.drop_table("gauges")
    op.drop_table("notices")
    op.execute("DELETE FROM outbox WHERE result_id IS NULL")
    op.execute("UPDATE outbox SET state = 'parked' WHERE state = 'cancelled'")
    with op.batch_alter_table("outbox") as outbox:
        outbox.alter_column("result_id", existing_type=RowId, nullable=False)
