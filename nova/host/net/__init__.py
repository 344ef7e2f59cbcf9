# SPDX-License-Identifier: Apache-2.0
"""The network of this host: bridges, taps, packet filters, translation, dnsmasq. It acts in the namespace it runs in.

It is given plain values and decides nothing: which guests and networks there are is known to ``nova.network``. Needs
CAP_NET_ADMIN, and CAP_NET_RAW and CAP_NET_BIND_SERVICE for dnsmasq.
"""
