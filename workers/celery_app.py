"""The Celery application and, run as a module, a worker.

Early acknowledgement and no prefetch: a message is a hint that may be lost or doubled, and Postgres
decides. Late acknowledgement would make the worker exit when Redis drops (Celery 5.7), and a
visibility timeout would run long steps twice.
"""

from celery import Celery

from app.settings import Settings, get_settings

TASK = "switchboard.run_step"


def make_celery(settings: Settings) -> Celery:
    """Celery on the Redis of the settings; bounded waits everywhere."""
    celery = Celery("switchboard", broker=settings.required("redis_url"))
    celery.conf.update(
        task_ignore_result=True,
        task_serializer="json",
        accept_content=["json"],
        task_acks_late=False,
        worker_disable_prefetch=True,
        worker_prefetch_multiplier=1,
        worker_send_task_events=False,
        worker_hijack_root_logger=False,
        worker_cancel_long_running_tasks_on_connection_loss=False,
        broker_connection_retry=True,
        broker_connection_retry_on_startup=True,
        broker_connection_max_retries=None,
        task_default_queue="switchboard.steps",
        broker_transport_options={
            "socket_timeout": 5,
            "socket_connect_timeout": 2,
            "socket_keepalive": True,
            "health_check_interval": 10,
            "max_connections": 4 * settings.worker_concurrency,
        },
    )
    return celery


def main() -> None:
    """Run a worker until it is told to stop."""
    from workers.tasks import serve

    settings = get_settings()
    serve(settings, make_celery(settings))


if __name__ == "__main__":
    main()
