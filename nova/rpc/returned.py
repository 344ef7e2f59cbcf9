# SPDX-License-Identifier: Apache-2.0
"""Messages that RabbitMQ gives back because no queue is there for them, told to who sent them and to nobody else."""

from __future__ import annotations

from typing import Any

from oslo_messaging import exceptions
from oslo_messaging._drivers import impl_rabbit


class Connection(impl_rabbit.Connection):  # type: ignore[misc]
    """oslo.messaging raises while the broker's confirmation is still on its way, and leaves that to be taken for the
    one of the next message on the channel. Here the message is remembered until its confirmation has been read."""

    _returned: Exception | None = None

    def on_return(self, exception: Any, exchange: str, routing_key: str, message: Any) -> None:
        self._returned = exceptions.MessageUndeliverable(exception, exchange, routing_key, message)

    def _publish(self, *args: Any, **kwargs: Any) -> None:
        self._returned = None
        super()._publish(*args, **kwargs)
        returned, self._returned = self._returned, None
        if returned is not None:
            raise returned


def tell(driver: Any) -> None:
    """Let a driver of RabbitMQ make such connections."""
    driver._connection_pool.connection_cls = Connection
