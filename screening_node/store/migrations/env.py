"""Run by alembic; ``Store.migrate`` hands over its connection, with a transaction already begun."""

from alembic import context

from screening_node.store.tables import metadata

context.configure(connection=context.config.attributes["connection"], target_metadata=metadata)
with context.begin_transaction():
    context.run_migrations()
