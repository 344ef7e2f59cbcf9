# SPDX-License-Identifier: Apache-2.0
"""Options of section ``[identity]``: who says who a caller is, and the rules of our own auth manager."""

from oslo_config import cfg

GROUP: str | None = "identity"

OPTS: list[cfg.Opt] = [
    cfg.StrOpt("auth_strategy", default="identity", choices=[
        ("identity", "our own auth manager: users, projects and roles in the API database, tokens signed by our keys"),
        ("keystone", "an OpenStack Keystone, through keystonemiddleware; needs section [keystone_authtoken]")],
        help="Who checks the token of a request."),
    cfg.IntOpt("token_expiration", default=3600, min=60,
               help="Seconds that a token is good for. A token got from another token ends with that one."),
    cfg.IntOpt("allow_expired_window", default=172800, min=0,
               help="Seconds that an expired token is still accepted together with the X-Service-Token of a service, "
                    "so that work which outlives the user's token can end."),
    cfg.StrOpt("fernet_key_repository", default="$state_path/keys/fernet",
               help="Directory of the keys that tokens are encrypted with. It is made, with first keys, when it is "
                    "missing. All API nodes need the same keys: copy the directory to each of them after a rotation."),
    cfg.IntOpt("fernet_max_active_keys", default=3, min=2,
               help="Keys kept by a rotation: the next one, the one in use, and former ones that still open tokens. "
                    "Rotate no more often than token_expiration divided by (this number - 2)."),
    cfg.FloatOpt("cache_time", default=5.0, min=0.0, max=5.0,
                 help="Seconds that the state of a user, a project and a token is remembered by a process. A disabled "
                      "user or a changed password takes at most this long to be noticed everywhere."),
    cfg.IntOpt("cache_size", default=10000, min=100, help="Tokens remembered by a process at most."),
    cfg.IntOpt("password_hash_cost", default=15, min=4, max=20,
               help="Work to hash a password by scrypt, as a power of two (N; r=8, p=1). 15 takes 32 MiB and some "
                    "60 ms. Raising it applies to passwords set from then on."),
    cfg.IntOpt("lockout_failure_attempts", default=5, min=0,
               help="Failed attempts after which a user cannot log in from an address for lockout_duration; 0: never."),
    cfg.IntOpt("lockout_total_attempts", default=100, min=0,
               help="Failed attempts from one address for any users, or for one user from any addresses, after which "
                    "that address or that user is shut out for lockout_duration; 0: never. Behind a proxy that hides "
                    "the addresses of clients everyone has the same one; set 0 there and let the proxy count."),
    cfg.IntOpt("lockout_duration", default=900, min=1,
               help="Seconds that a lockout lasts, and within which failures are counted."),
    cfg.StrOpt("public_endpoint",
               help="Base of the URLs in the catalogue, like https://cloud.example.org. Without it the catalogue says "
                    "what the client used: the scheme and host of its request."),
    cfg.StrOpt("region", default="RegionOne", help="Region of the endpoints that this cloud serves itself."),
]


def register(conf: cfg.ConfigOpts) -> None:
    conf.register_opts(OPTS, group=GROUP)
