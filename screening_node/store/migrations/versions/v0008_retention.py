"""Films whose bytes are gone by the rule of retention, and what is done once a day over all hosts."""

import sqlalchemy as sa
from alembic import op

from screening_node.store.types import UtcDateTime

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add a column and a table."""
    op.add_column("instances", sa.Column("removed_at", UtcDateTime(), nullable=True))
    op.create_table(
        "chores",
        sa.Column("name", sa.String(length=32), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("host", sa.Text(), nullable=False),
        sa.Column("at", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_chores")),
    )


def downgrade() -> None:
    """Drop them: the tables are those of 0007 again, where films that are gone count as lost."""
    op.drop_table("chores")
    op.drop_column("instances", "removed_at")
