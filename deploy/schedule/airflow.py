"""The daily job under Apache Airflow. Its steps are kept by foryou, so a task that is tried again goes on."""

from datetime import datetime, timedelta

from airflow.providers.standard.operators.bash import BashOperator
from airflow.sdk import DAG

with DAG(
    "foryou_train", schedule="30 2 * * *", start_date=datetime(2026, 1, 1), catchup=False, max_active_runs=1
) as dag:
    BashOperator(
        task_id="train",
        bash_command="foryou train --daily --deadline 240",
        env={"FORYOU_HOME": "/var/lib/foryou"},
        append_env=True,
        retries=3,
        retry_delay=timedelta(minutes=10),
        skip_on_exit_code=3,  # the gate refused: the bundle that serves goes on serving, see `foryou models report`
    )
