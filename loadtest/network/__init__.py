"""Networks of a test's own: namespaces, links between them, and what goes wrong on a link."""
