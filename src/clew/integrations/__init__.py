"""What joins clew to training libraries, one small file for each, imported only by who uses it.

Each uses what its library offers for this (a callback, a logger), and patches nothing. They log to the run that they
are given, or whose `with` block they are called in.
"""
