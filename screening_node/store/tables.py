"""The tables, as SQLAlchemy Core sees them; ``migrations/`` builds the same ones (a test compares them).

patients 1─* exams 1─* instances          what came in
               exams 1─* jobs             what is to be judged, once at a time
               exams 1─* results 1─* estimates   one of the results is current
patients 1─* alarms                       results.alarm names the patient's alarm
                    results 1─* outbox    what each destination is owed; notifications belong to no result
notices                                   what has been told to people, so that it is told once
gauges                                    what processes measure of themselves, for /metrics
chores                                    what is done once a day over all hosts: the last day, and by whom
audit                                     who did what; rows can only be added
accounts 1─* sessions                     who may open the admin's page, and which browsers and programs are signed in
accounts 1─1 identities                   of those that an OpenID provider vouches for: who they are there
"""

from __future__ import annotations

import sqlalchemy as sa

from screening_node.store.types import RowId, UtcDateTime

metadata = sa.MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)

patients = sa.Table(
    "patients",
    metadata,
    sa.Column("patient_key", sa.String(64), primary_key=True),
    sa.Column("diagnosed", sa.Boolean, nullable=False),
    sa.Column("last_dxa", sa.Date),
    sa.Column("updated_at", UtcDateTime, nullable=False),
)

exams = sa.Table(
    "exams",
    metadata,
    sa.Column("id", RowId, primary_key=True),
    sa.Column("pathway", sa.String(64), nullable=False),
    sa.Column("key", sa.Text, nullable=False),
    sa.Column("patient_key", sa.ForeignKey("patients.patient_key"), nullable=False),
    sa.Column("patient_id", sa.Text),
    sa.Column("issuer", sa.Text),
    sa.Column("patient_name", sa.Text),
    sa.Column("birth_date", sa.Date),
    sa.Column("sex", sa.Text),
    sa.Column("age", sa.Integer),
    sa.Column("accession_number", sa.Text),
    sa.Column("study_instance_uid", sa.Text, nullable=False),
    sa.Column("study_date", sa.Date),
    sa.Column("modality", sa.Text),
    # Maker and model of what took the film.
    sa.Column("scanner", sa.Text),
    sa.Column("calling_ae", sa.Text, nullable=False),
    sa.Column("complete", sa.Boolean, nullable=False),
    sa.Column("received_at", UtcDateTime, nullable=False),
    # When the film came again with another header, the last time.
    sa.Column("corrected_at", UtcDateTime),
    sa.UniqueConstraint("pathway", "key"),
    sa.Index(None, "patient_key"),
    sa.Index(None, "received_at"),
)

instances = sa.Table(
    "instances",
    metadata,
    sa.Column("id", RowId, primary_key=True),
    sa.Column("exam_id", sa.ForeignKey("exams.id"), nullable=False),
    sa.Column("sop_instance_uid", sa.Text, nullable=False),
    sa.Column("sop_class_uid", sa.Text, nullable=False),
    sa.Column("transfer_syntax_uid", sa.Text, nullable=False),
    sa.Column("study_instance_uid", sa.Text, nullable=False),
    sa.Column("series_instance_uid", sa.Text, nullable=False),
    sa.Column("sha256", sa.String(64), nullable=False),
    sa.Column("size", sa.BigInteger, nullable=False),
    sa.Column("path", sa.Text, nullable=False),
    sa.Column("calling_ae", sa.Text, nullable=False),
    sa.Column("received_at", UtcDateTime, nullable=False),
    # When the rule of retention took its bytes; None while they are there.
    sa.Column("removed_at", UtcDateTime),
    sa.UniqueConstraint("sop_instance_uid"),
    sa.Index(None, "exam_id"),
    sa.Index(None, "path"),
)

#: Jobs that are still to end; an exam has at most one of them.
ACTIVE_JOB = sa.text("state IN ('queued', 'running')")

jobs = sa.Table(
    "jobs",
    metadata,
    sa.Column("id", RowId, primary_key=True),
    sa.Column("exam_id", sa.ForeignKey("exams.id"), nullable=False),
    sa.Column("state", sa.String(16), nullable=False),
    sa.Column("priority", sa.Integer, nullable=False),
    # How often the job was claimed. Never goes down: it is the fencing token.
    sa.Column("attempt", sa.Integer, nullable=False),
    # How many of those attempts speak against the film, and how many only ended with the node.
    sa.Column("failures", sa.Integer, nullable=False),
    sa.Column("interruptions", sa.Integer, nullable=False),
    sa.Column("owner", sa.Text),
    sa.Column("deadline", UtcDateTime),
    sa.Column("not_before", UtcDateTime, nullable=False),
    sa.Column("requested_at", UtcDateTime, nullable=False),
    sa.Column("finished_at", UtcDateTime),
    sa.Column("error", sa.Text),
    sa.Index(None, "state", "priority", "id"),
    sa.Index(None, "exam_id"),
    sa.Index("uq_jobs_active_exam", "exam_id", unique=True, sqlite_where=ACTIVE_JOB, postgresql_where=ACTIVE_JOB),
)

alarms = sa.Table(
    "alarms",
    metadata,
    sa.Column("number", RowId, primary_key=True),
    sa.Column("patient_key", sa.ForeignKey("patients.patient_key"), nullable=False),
    sa.Column("state", sa.String(16), nullable=False),
    sa.Column("category", sa.String(16), nullable=False),
    sa.Column("lowest_t", sa.Float, nullable=False),
    sa.Column("lowest_vertebra", sa.String(8), nullable=False),
    # Of the newest film that the alarm stands for.
    sa.Column("study_date", sa.Date, nullable=False),
    # That film's result. No foreign key: results and alarms name each other, and one has to come first.
    sa.Column("result_id", RowId),
    sa.Column("opened_at", UtcDateTime, nullable=False),
    sa.Column("updated_at", UtcDateTime, nullable=False),
    sa.Column("acknowledged_by", sa.Text),
    sa.Column("acknowledged_at", UtcDateTime),
    sa.Column("closed_at", UtcDateTime),
    sa.Column("comment", sa.Text),
    # Goes up with every change: who acts on an older one is told that it changed meanwhile.
    sa.Column("version", sa.Integer, nullable=False, server_default="0"),
    sa.Column("assigned_to", sa.Text),
    sa.Column("closed_by", sa.Text),
    # How it ended: an ``Outcome``; and what DXA said where it was done.
    sa.Column("outcome", sa.String(16)),
    sa.Column("dxa_date", sa.Date),
    sa.Column("dxa_t_score", sa.Float),
    # How much of the newest film's estimate lies below a threshold (``ScreeningResult.confidence``).
    sa.Column("confidence", sa.Float),
    sa.Index(None, "patient_key"),
    sa.Index(None, "state"),
    sa.Index(None, "opened_at"),
    sa.Index(None, "lowest_t", "number"),
    sa.Index(None, "study_date", "number"),
)

CURRENT_RESULT = sa.text("current")

results = sa.Table(
    "results",
    metadata,
    sa.Column("id", RowId, primary_key=True),
    sa.Column("exam_id", sa.ForeignKey("exams.id"), nullable=False),
    sa.Column("revision", sa.Integer, nullable=False),
    sa.Column("current", sa.Boolean, nullable=False),
    sa.Column("job_id", sa.ForeignKey("jobs.id"), nullable=False),
    sa.Column("refusal_code", sa.String(64)),
    sa.Column("refusal_text", sa.Text),
    sa.Column("category", sa.String(16)),
    sa.Column("crossed", sa.Boolean),
    sa.Column("lowest_t", sa.Float),
    sa.Column("lowest_vertebra", sa.String(8)),
    sa.Column("alarm_step", sa.String(16), nullable=False),
    sa.Column("alarm_status", sa.String(16), nullable=False),
    sa.Column("alarm_reason", sa.Text, nullable=False),
    sa.Column("alarm", sa.ForeignKey("alarms.number")),
    sa.Column("bundle", sa.Text, nullable=False),
    # The whole ScreeningResult as JSON: landmarks, ROIs and the model's identity are read back from here.
    sa.Column("document", sa.JSON, nullable=False),
    sa.Column("created_at", UtcDateTime, nullable=False),
    sa.UniqueConstraint("exam_id", "revision"),
    sa.Index(
        "uq_results_current_exam", "exam_id", unique=True, sqlite_where=CURRENT_RESULT, postgresql_where=CURRENT_RESULT
    ),
    sa.Index(None, "alarm"),
    sa.Index(None, "refusal_code", "created_at"),
    sa.Index(None, "created_at"),
)

estimates = sa.Table(
    "estimates",
    metadata,
    sa.Column("result_id", sa.ForeignKey("results.id"), primary_key=True),
    sa.Column("vertebra", sa.String(8), primary_key=True),
    sa.Column("bmd", sa.Float, nullable=False),
    sa.Column("sd", sa.Float, nullable=False),
    sa.Column("t_score", sa.Float, nullable=False),
    sa.Column("threshold", sa.Float, nullable=False),
    sa.Column("below", sa.Boolean, nullable=False),
)

outbox = sa.Table(
    "outbox",
    metadata,
    sa.Column("id", RowId, primary_key=True),
    # None for a notification.
    sa.Column("result_id", sa.ForeignKey("results.id")),
    sa.Column("destination", sa.Text, nullable=False),
    sa.Column("kind", sa.String(16), nullable=False),
    sa.Column("sop_class_uid", sa.Text, nullable=False),
    sa.Column("sop_instance_uid", sa.Text, nullable=False),
    sa.Column("path", sa.Text, nullable=False),
    sa.Column("state", sa.String(16), nullable=False),
    # How often it was claimed: the fencing token, and the measure for the next delay.
    sa.Column("attempt", sa.Integer, nullable=False),
    sa.Column("owner", sa.Text),
    sa.Column("deadline", UtcDateTime),
    sa.Column("not_before", UtcDateTime, nullable=False),
    sa.Column("error", sa.Text),
    sa.Column("created_at", UtcDateTime, nullable=False),
    sa.Column("delivered_at", UtcDateTime),
    sa.UniqueConstraint("destination", "sop_instance_uid"),
    sa.Index(None, "destination", "state", "not_before"),
    sa.Index(None, "state", "destination"),
    sa.Index(None, "delivered_at"),
    sa.Index(None, "result_id"),
    sa.Index(None, "path"),
)

#: Notices that stand: of something that is over there may be another one.
STANDING_NOTICE = sa.text("ended_at IS NULL")

notices = sa.Table(
    "notices",
    metadata,
    sa.Column("id", RowId, primary_key=True),
    # "alarm", "dead-letter" or "trouble"; ``subject`` says which one, without naming a patient.
    sa.Column("kind", sa.String(16), nullable=False),
    sa.Column("subject", sa.Text, nullable=False),
    sa.Column("began_at", UtcDateTime, nullable=False),
    sa.Column("told_at", UtcDateTime, nullable=False),
    # Of troubles only: when they were over.
    sa.Column("ended_at", UtcDateTime),
    sa.Index(
        "uq_notices_standing",
        "subject",
        unique=True,
        sqlite_where=STANDING_NOTICE,
        postgresql_where=STANDING_NOTICE,
    ),
    sa.Index(None, "kind", "began_at"),
    sa.Index(None, "kind", "told_at"),
)

gauges = sa.Table(
    "gauges",
    metadata,
    sa.Column("source", sa.Text, primary_key=True),
    sa.Column("name", sa.String(64), primary_key=True),
    sa.Column("value", sa.Float, nullable=False),
    sa.Column("at", UtcDateTime, nullable=False),
)

chores = sa.Table(
    "chores",
    metadata,
    sa.Column("name", sa.String(32), primary_key=True),
    sa.Column("day", sa.Date, nullable=False),
    sa.Column("host", sa.Text, nullable=False),
    sa.Column("at", UtcDateTime, nullable=False),
)

audit = sa.Table(
    "audit",
    metadata,
    sa.Column("id", RowId, primary_key=True),
    sa.Column("at", UtcDateTime, nullable=False),
    sa.Column("actor", sa.Text, nullable=False),
    sa.Column("action", sa.String(64), nullable=False),
    sa.Column("subject", sa.Text, nullable=False),
    sa.Column("detail", sa.JSON, nullable=False),
    sa.Index(None, "subject"),
)

accounts = sa.Table(
    "accounts",
    metadata,
    sa.Column("id", RowId, primary_key=True),
    sa.Column("name", sa.String(64), nullable=False),
    sa.Column("password_hash", sa.Text, nullable=False),
    sa.Column("role", sa.String(16), nullable=False),
    sa.Column("active", sa.Boolean, nullable=False),
    sa.Column("created_at", UtcDateTime, nullable=False),
    sa.UniqueConstraint("name"),
)

identities = sa.Table(
    "identities",
    metadata,
    sa.Column("account_id", sa.ForeignKey("accounts.id"), primary_key=True, autoincrement=False),
    sa.Column("issuer", sa.Text, nullable=False),
    sa.Column("subject", sa.Text, nullable=False),
    sa.UniqueConstraint("issuer", "subject"),
)

sessions = sa.Table(
    "sessions",
    metadata,
    sa.Column("id", RowId, primary_key=True),
    sa.Column("account_id", sa.ForeignKey("accounts.id"), nullable=False),
    # "page" for a browser, "token" for a program.
    sa.Column("kind", sa.String(16), nullable=False),
    # The secret itself is with the browser or program alone.
    sa.Column("secret_sha256", sa.String(64), nullable=False),
    sa.Column("created_at", UtcDateTime, nullable=False),
    sa.Column("seen_at", UtcDateTime, nullable=False),
    sa.Column("expires_at", UtcDateTime, nullable=False),
    sa.UniqueConstraint("secret_sha256"),
    sa.Index(None, "account_id"),
)

#: What was fetched from the archives of ``[[pull]]``, day by day (of Study Date).
pull_days = sa.Table(
    "pull_days",
    metadata,
    sa.Column("id", RowId, primary_key=True),
    sa.Column("source", sa.String(64), nullable=False),
    sa.Column("day", sa.Date, nullable=False),
    sa.Column("state", sa.String(16), nullable=False),
    sa.Column("attempt", sa.Integer, nullable=False),
    sa.Column("found", sa.Integer, nullable=False),
    sa.Column("taken", sa.Integer, nullable=False),
    sa.Column("there", sa.Integer, nullable=False),
    sa.Column("refused", sa.Integer, nullable=False),
    sa.Column("failed", sa.Integer, nullable=False),
    sa.Column("error", sa.Text),
    sa.Column("updated_at", UtcDateTime, nullable=False),
    sa.UniqueConstraint("source", "day"),
)

#: Who fetches from a source now; nobody else may until ``deadline``.
pull_leases = sa.Table(
    "pull_leases",
    metadata,
    sa.Column("source", sa.String(64), primary_key=True),
    sa.Column("owner", sa.Text, nullable=False),
    sa.Column("deadline", UtcDateTime, nullable=False),
)
