# SPDX-License-Identifier: Apache-2.0
"""What listens to a database: the relay that publishes its outbox, and the feed that streams of server events read."""
