"""The services and objects of a project on a server, over HTTP: the same contracts as in place."""
