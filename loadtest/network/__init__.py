"""Networks of a test's own: namespaces, links between them, and what goes wrong on a link.

`impaired` is where weak viewers live, `veth_pair` where a server that is compared does;
`addresses_for`, `ensure_files` and `ensure_ports` make room for a large crowd on loopback.
"""
