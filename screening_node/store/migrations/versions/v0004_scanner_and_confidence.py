"""What took a film, and how sure the estimate behind an alarm is; rows of before know neither."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add two columns."""
    op.add_column("exams", sa.Column("scanner", sa.Text(), nullable=True))
    op.add_column("alarms", sa.Column("confidence", sa.Float(), nullable=True))


def downgrade() -> None:
    """Drop them: the tables are those of 0003 again."""
    op.drop_column("alarms", "confidence")
    op.drop_column("exams", "scanner")
