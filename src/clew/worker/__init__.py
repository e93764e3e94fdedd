"""The process that runs scheduled, triggered and queued jobs under leases."""
