"""Films that came again with another header: when."""

import sqlalchemy as sa
from alembic import op

from screening_node.store.types import UtcDateTime

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add a column."""
    op.add_column("exams", sa.Column("corrected_at", UtcDateTime(), nullable=True))


def downgrade() -> None:
    """Drop it: the tables are those of 0006 again."""
    op.drop_column("exams", "corrected_at")
