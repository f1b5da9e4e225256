"""An index for what the admin's page asks of the results since some time, of whatever code."""

from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

_INDEX = "ix_results_created_at"


def upgrade() -> None:
    """Add the index."""
    op.create_index(op.f(_INDEX), "results", ["created_at"], unique=False)


def downgrade() -> None:
    """Drop it: the tables are those of 0002 again."""
    op.drop_index(op.f(_INDEX), table_name="results")
