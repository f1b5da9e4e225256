"""Accounts and sessions of the admin's page; what its alert log keeps; indexes for what it counts."""

import sqlalchemy as sa
from alembic import op

from screening_node.store.types import RowId, UtcDateTime

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

_INDEXES = (
    ("exams", ("received_at",)),
    ("alarms", ("opened_at",)),
    ("alarms", ("lowest_t", "number")),
    ("alarms", ("study_date", "number")),
    ("results", ("refusal_code", "created_at")),
    ("outbox", ("state", "destination")),
    ("outbox", ("delivered_at",)),
    ("sessions", ("account_id",)),
)


def upgrade() -> None:
    """Add tables, columns and indexes; no row is changed."""
    op.create_table(
        "accounts",
        sa.Column("id", RowId, nullable=False),
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("password_hash", sa.Text(), nullable=False),
        sa.Column("role", sa.String(length=16), nullable=False),
        sa.Column("active", sa.Boolean(), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_accounts")),
        sa.UniqueConstraint("name", name=op.f("uq_accounts_name")),
    )
    op.create_table(
        "sessions",
        sa.Column("id", RowId, nullable=False),
        sa.Column("account_id", RowId, nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("secret_sha256", sa.String(length=64), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("seen_at", UtcDateTime(), nullable=False),
        sa.Column("expires_at", UtcDateTime(), nullable=False),
        sa.ForeignKeyConstraint(["account_id"], ["accounts.id"], name=op.f("fk_sessions_account_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_sessions")),
        sa.UniqueConstraint("secret_sha256", name=op.f("uq_sessions_secret_sha256")),
    )
    for column in (
        sa.Column("version", sa.Integer(), nullable=False, server_default="0"),
        sa.Column("assigned_to", sa.Text(), nullable=True),
        sa.Column("closed_by", sa.Text(), nullable=True),
        sa.Column("outcome", sa.String(length=16), nullable=True),
        sa.Column("dxa_date", sa.Date(), nullable=True),
        sa.Column("dxa_t_score", sa.Float(), nullable=True),
    ):
        op.add_column("alarms", column)
    for table, columns in _INDEXES:
        op.create_index(op.f(f"ix_{table}_{'_'.join(columns)}"), table, list(columns), unique=False)


def downgrade() -> None:
    """Drop them, and what they hold: accounts, and how alarms ended. The tables are those of 0001 again."""
    for table, columns in reversed(_INDEXES):
        op.drop_index(op.f(f"ix_{table}_{'_'.join(columns)}"), table_name=table)
    for column in ("dxa_t_score", "dxa_date", "outcome", "closed_by", "assigned_to", "version"):
        op.drop_column("alarms", column)
    op.drop_table("sessions")
    op.drop_table("accounts")
