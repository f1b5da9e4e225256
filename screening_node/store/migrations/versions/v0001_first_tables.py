"""The first tables.

Written out rather than made from ``tables.py``: a migration must not change when the tables later do.
"""

import sqlalchemy as sa
from alembic import op

from screening_node.store.types import RowId, UtcDateTime

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the tables, and make the audit append-only."""
    op.create_table(
        "audit",
        sa.Column("id", RowId, nullable=False),
        sa.Column("at", UtcDateTime(), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("action", sa.String(length=64), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("detail", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_audit")),
    )
    op.create_index(op.f("ix_audit_subject"), "audit", ["subject"], unique=False)
    op.create_table(
        "patients",
        sa.Column("patient_key", sa.String(length=64), nullable=False),
        sa.Column("diagnosed", sa.Boolean(), nullable=False),
        sa.Column("last_dxa", sa.Date(), nullable=True),
        sa.Column("updated_at", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("patient_key", name=op.f("pk_patients")),
    )
    op.create_table(
        "alarms",
        sa.Column("number", RowId, nullable=False),
        sa.Column("patient_key", sa.String(length=64), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("category", sa.String(length=16), nullable=False),
        sa.Column("lowest_t", sa.Float(), nullable=False),
        sa.Column("lowest_vertebra", sa.String(length=8), nullable=False),
        sa.Column("study_date", sa.Date(), nullable=False),
        sa.Column("result_id", RowId, nullable=True),
        sa.Column("opened_at", UtcDateTime(), nullable=False),
        sa.Column("updated_at", UtcDateTime(), nullable=False),
        sa.Column("acknowledged_by", sa.Text(), nullable=True),
        sa.Column("acknowledged_at", UtcDateTime(), nullable=True),
        sa.Column("closed_at", UtcDateTime(), nullable=True),
        sa.Column("comment", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(["patient_key"], ["patients.patient_key"], name=op.f("fk_alarms_patient_key")),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_alarms")),
    )
    op.create_index(op.f("ix_alarms_patient_key"), "alarms", ["patient_key"], unique=False)
    op.create_index(op.f("ix_alarms_state"), "alarms", ["state"], unique=False)
    op.create_table(
        "exams",
        sa.Column("id", RowId, nullable=False),
        sa.Column("pathway", sa.String(length=64), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("patient_key", sa.String(length=64), nullable=False),
        sa.Column("patient_id", sa.Text(), nullable=True),
        sa.Column("issuer", sa.Text(), nullable=True),
        sa.Column("patient_name", sa.Text(), nullable=True),
        sa.Column("birth_date", sa.Date(), nullable=True),
        sa.Column("sex", sa.Text(), nullable=True),
        sa.Column("age", sa.Integer(), nullable=True),
        sa.Column("accession_number", sa.Text(), nullable=True),
        sa.Column("study_instance_uid", sa.Text(), nullable=False),
        sa.Column("study_date", sa.Date(), nullable=True),
        sa.Column("modality", sa.Text(), nullable=True),
        sa.Column("calling_ae", sa.Text(), nullable=False),
        sa.Column("complete", sa.Boolean(), nullable=False),
        sa.Column("received_at", UtcDateTime(), nullable=False),
        sa.ForeignKeyConstraint(["patient_key"], ["patients.patient_key"], name=op.f("fk_exams_patient_key")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_exams")),
        sa.UniqueConstraint("pathway", "key", name=op.f("uq_exams_pathway_key")),
    )
    op.create_index(op.f("ix_exams_patient_key"), "exams", ["patient_key"], unique=False)
    op.create_table(
        "instances",
        sa.Column("id", RowId, nullable=False),
        sa.Column("exam_id", RowId, nullable=False),
        sa.Column("sop_instance_uid", sa.Text(), nullable=False),
        sa.Column("sop_class_uid", sa.Text(), nullable=False),
        sa.Column("transfer_syntax_uid", sa.Text(), nullable=False),
        sa.Column("study_instance_uid", sa.Text(), nullable=False),
        sa.Column("series_instance_uid", sa.Text(), nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("path", sa.Text(), nullable=False),
        sa.Column("calling_ae", sa.Text(), nullable=False),
        sa.Column("received_at", UtcDateTime(), nullable=False),
        sa.ForeignKeyConstraint(["exam_id"], ["exams.id"], name=op.f("fk_instances_exam_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_instances")),
        sa.UniqueConstraint("sop_instance_uid", name=op.f("uq_instances_sop_instance_uid")),
    )
    op.create_index(op.f("ix_instances_exam_id"), "instances", ["exam_id"], unique=False)
    op.create_index(op.f("ix_instances_path"), "instances", ["path"], unique=False)
    op.create_table(
        "jobs",
        sa.Column("id", RowId, nullable=False),
        sa.Column("exam_id", RowId, nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("priority", sa.Integer(), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.Column("interruptions", sa.Integer(), nullable=False),
        sa.Column("owner", sa.Text(), nullable=True),
        sa.Column("deadline", UtcDateTime(), nullable=True),
        sa.Column("not_before", UtcDateTime(), nullable=False),
        sa.Column("requested_at", UtcDateTime(), nullable=False),
        sa.Column("finished_at", UtcDateTime(), nullable=True),
        sa.Column("error", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(["exam_id"], ["exams.id"], name=op.f("fk_jobs_exam_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_jobs")),
    )
    op.create_index(op.f("ix_jobs_exam_id"), "jobs", ["exam_id"], unique=False)
    op.create_index(op.f("ix_jobs_state_priority_id"), "jobs", ["state", "priority", "id"], unique=False)
    op.create_index(
        "uq_jobs_active_exam",
        "jobs",
        ["exam_id"],
        unique=True,
        sqlite_where=sa.text("state IN ('queued', 'running')"),
        postgresql_where=sa.text("state IN ('queued', 'running')"),
    )
    op.create_table(
        "results",
        sa.Column("id", RowId, nullable=False),
        sa.Column("exam_id", RowId, nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("current", sa.Boolean(), nullable=False),
        sa.Column("job_id", RowId, nullable=False),
        sa.Column("refusal_code", sa.String(length=64), nullable=True),
        sa.Column("refusal_text", sa.Text(), nullable=True),
        sa.Column("category", sa.String(length=16), nullable=True),
        sa.Column("crossed", sa.Boolean(), nullable=True),
        sa.Column("lowest_t", sa.Float(), nullable=True),
        sa.Column("lowest_vertebra", sa.String(length=8), nullable=True),
        sa.Column("alarm_step", sa.String(length=16), nullable=False),
        sa.Column("alarm_status", sa.String(length=16), nullable=False),
        sa.Column("alarm_reason", sa.Text(), nullable=False),
        sa.Column("alarm", RowId, nullable=True),
        sa.Column("bundle", sa.Text(), nullable=False),
        sa.Column("document", sa.JSON(), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.ForeignKeyConstraint(["alarm"], ["alarms.number"], name=op.f("fk_results_alarm")),
        sa.ForeignKeyConstraint(["exam_id"], ["exams.id"], name=op.f("fk_results_exam_id")),
        sa.ForeignKeyConstraint(["job_id"], ["jobs.id"], name=op.f("fk_results_job_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_results")),
        sa.UniqueConstraint("exam_id", "revision", name=op.f("uq_results_exam_id_revision")),
    )
    op.create_index(op.f("ix_results_alarm"), "results", ["alarm"], unique=False)
    op.create_index(
        "uq_results_current_exam",
        "results",
        ["exam_id"],
        unique=True,
        sqlite_where=sa.text("current"),
        postgresql_where=sa.text("current"),
    )
    op.create_table(
        "estimates",
        sa.Column("result_id", RowId, nullable=False),
        sa.Column("vertebra", sa.String(length=8), nullable=False),
        sa.Column("bmd", sa.Float(), nullable=False),
        sa.Column("sd", sa.Float(), nullable=False),
        sa.Column("t_score", sa.Float(), nullable=False),
        sa.Column("threshold", sa.Float(), nullable=False),
        sa.Column("below", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(["result_id"], ["results.id"], name=op.f("fk_estimates_result_id")),
        sa.PrimaryKeyConstraint("result_id", "vertebra", name=op.f("pk_estimates")),
    )
    op.create_table(
        "outbox",
        sa.Column("id", RowId, nullable=False),
        sa.Column("result_id", RowId, nullable=False),
        sa.Column("destination", sa.Text(), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("sop_class_uid", sa.Text(), nullable=False),
        sa.Column("sop_instance_uid", sa.Text(), nullable=False),
        sa.Column("path", sa.Text(), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("owner", sa.Text(), nullable=True),
        sa.Column("deadline", UtcDateTime(), nullable=True),
        sa.Column("not_before", UtcDateTime(), nullable=False),
        sa.Column("error", sa.Text(), nullable=True),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("delivered_at", UtcDateTime(), nullable=True),
        sa.ForeignKeyConstraint(["result_id"], ["results.id"], name=op.f("fk_outbox_result_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_outbox")),
        sa.UniqueConstraint("destination", "sop_instance_uid", name=op.f("uq_outbox_destination_sop_instance_uid")),
    )
    op.create_index(
        op.f("ix_outbox_destination_state_not_before"), "outbox", ["destination", "state", "not_before"], unique=False
    )
    op.create_index(op.f("ix_outbox_path"), "outbox", ["path"], unique=False)
    op.create_index(op.f("ix_outbox_result_id"), "outbox", ["result_id"], unique=False)
    _forbid_changes_of_audit()


_SQLITE_TRIGGER = """
CREATE TRIGGER audit_no_{event} BEFORE {event} ON audit
BEGIN SELECT RAISE(ABORT, 'the audit is append-only'); END
"""

_POSTGRESQL_FUNCTION = """
CREATE FUNCTION audit_append_only() RETURNS trigger LANGUAGE plpgsql AS
$$ BEGIN RAISE EXCEPTION 'the audit is append-only' USING ERRCODE = 'integrity_constraint_violation'; END $$
"""

_POSTGRESQL_TRIGGER = """
CREATE TRIGGER audit_no_changes BEFORE UPDATE OR DELETE OR TRUNCATE ON audit
FOR EACH STATEMENT EXECUTE FUNCTION audit_append_only()
"""


def _forbid_changes_of_audit() -> None:
    if op.get_bind().dialect.name == "sqlite":
        op.execute(_SQLITE_TRIGGER.format(event="UPDATE"))
        op.execute(_SQLITE_TRIGGER.format(event="DELETE"))
    else:
        op.execute(_POSTGRESQL_FUNCTION)
        op.execute(_POSTGRESQL_TRIGGER)
