# SPDX-License-Identifier: Apache-2.0
"""One file per process. Each builds the object graph of its process; nothing else does."""

import warnings

# oslo.service, which oslo.messaging brings, imports eventlet whether it is used or not.
warnings.filterwarnings("ignore", message=r"\s*Eventlet is deprecated")
