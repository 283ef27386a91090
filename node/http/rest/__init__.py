"""The REST resources, one a file; each makes a blueprint out of the :class:`node.http.api.Api`."""
