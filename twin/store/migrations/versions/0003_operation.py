"""operation: lists of jobs and sessions by user, who may have a long email; probes; when a snapshot was last used"""

import time

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "probes",
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("probed_at", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_probes")),
    )
    with op.batch_alter_table("sessions", schema=None) as batch_op:
        batch_op.alter_column("user_id", type_=sa.String(length=254), existing_type=sa.String(length=64))
        batch_op.create_index("ix_sessions_user", ["user_id", "status"], unique=False)
    with op.batch_alter_table("jobs", schema=None) as batch_op:
        batch_op.alter_column("user_id", type_=sa.String(length=254), existing_type=sa.String(length=64))
        batch_op.create_index("ix_jobs_user", ["user_id", "created_at", "job_id"], unique=False)
        batch_op.create_index("ix_jobs_created", ["created_at", "job_id"], unique=False)
    with op.batch_alter_table("snapshots", schema=None) as batch_op:
        batch_op.add_column(sa.Column("used_at", sa.Double(), nullable=False, server_default="0"))
    # By whom each is used was not told before: all of them are, now.
    op.execute(sa.text("UPDATE snapshots SET used_at = :now").bindparams(now=time.time()))


def downgrade() -> None:
    with op.batch_alter_table("snapshots", schema=None) as batch_op:
        batch_op.drop_column("used_at")
    with op.batch_alter_table("jobs", schema=None) as batch_op:
        batch_op.drop_index("ix_jobs_created")
        batch_op.drop_index("ix_jobs_user")
        batch_op.alter_column("user_id", type_=sa.String(length=64), existing_type=sa.String(length=254))
    with op.batch_alter_table("sessions", schema=None) as batch_op:
        batch_op.drop_index("ix_sessions_user")
        batch_op.alter_column("user_id", type_=sa.String(length=64), existing_type=sa.String(length=254))
    op.drop_table("probes")
