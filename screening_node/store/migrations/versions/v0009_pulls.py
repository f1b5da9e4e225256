"""Pulling from archives: which days were fetched, and who fetches."""

import sqlalchemy as sa
from alembic import op

from screening_node.store.types import RowId, UtcDateTime

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add two tables."""
    op.create_table(
        "pull_days",
        sa.Column("id", RowId, nullable=False),
        sa.Column("source", sa.String(length=64), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("found", sa.Integer(), nullable=False),
        sa.Column("taken", sa.Integer(), nullable=False),
        sa.Column("there", sa.Integer(), nullable=False),
        sa.Column("refused", sa.Integer(), nullable=False),
        sa.Column("failed", sa.Integer(), nullable=False),
        sa.Column("error", sa.Text(), nullable=True),
        sa.Column("updated_at", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_pull_days")),
        sa.UniqueConstraint("source", "day", name=op.f("uq_pull_days_source_day")),
    )
    op.create_table(
        "pull_leases",
        sa.Column("source", sa.String(length=64), nullable=False),
        sa.Column("owner", sa.Text(), nullable=False),
        sa.Column("deadline", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("source", name=op.f("pk_pull_leases")),
    )


def downgrade() -> None:
    """Drop them: the tables are those of 0008 again."""
    op.drop_table("pull_leases")
    op.drop_table("pull_days")
