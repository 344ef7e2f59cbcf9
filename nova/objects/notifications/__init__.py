# SPDX-License-Identifier: Apache-2.0
"""What notifications carry: payloads as versioned objects, and the table of events. Sending is not done here."""
