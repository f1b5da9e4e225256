"""Accounts that an OpenID provider vouches for: whose they are there."""

import sqlalchemy as sa
from alembic import op

from screening_node.store.types import RowId

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the table; no row is changed."""
    op.create_table(
        "identities",
        sa.Column("account_id", RowId, autoincrement=False, nullable=False),
        sa.Column("issuer", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["account_id"], ["accounts.id"], name=op.f("fk_identities_account_id")),
        sa.PrimaryKeyConstraint("account_id", name=op.f("pk_identities")),
        sa.UniqueConstraint("issuer", "subject", name=op.f("uq_identities_issuer_subject")),
    )


def downgrade() -> None:
    """Drop it, and the accounts that nobody could sign in to any more: they have no password."""
    op.execute("DELETE FROM sessions WHERE account_id IN (SELECT account_id FROM identities)")
    op.drop_table("identities")
    op.execute("DELETE FROM accounts WHERE password_hash = ''")
