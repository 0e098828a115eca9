"""Ends the durable workflow of an operation that nobody is to go on with."""

from dbos import DBOSClient, DBOSPortableJSONSerializer
from sqlalchemy import create_engine, inspect, make_url
from sqlalchemy.exc import SQLAlchemyError

from ink_infra_mcp.core.errors import StateUnavailable

_TABLE = "workflow_status"


def end_workflow(url: str, operation_id: str) -> None:
    """Mark the operation's workflow in the store at `url` as cancelled, so that no queue hands it out again.

    A workflow that has ended stays as it is, and one that was never begun is none.

    Raises:
        StateUnavailable: the store cannot be used now.
    """
    address = make_url(url)
    sqlite = address.get_backend_name() == "sqlite"
    engine = create_engine(address if sqlite else address.set(drivername="postgresql+psycopg"))
    try:
        if inspect(engine).has_table(_TABLE, schema=None if sqlite else "dbos"):
            client = DBOSClient(
                system_database_engine=engine, serializer=DBOSPortableJSONSerializer(), retry_connection_errors=False
            )
            client.cancel_workflow(operation_id)
            client.destroy()
    except SQLAlchemyError as error:
        raise StateUnavailable(
            f"The durable run of {operation_id} could not be ended: {type(error).__name__}.",
            done="The operation itself is abandoned, and none of its steps runs any more.",
            next="Run the same command again once the state store answers.",
        ) from error
    finally:
        engine.dispose()
