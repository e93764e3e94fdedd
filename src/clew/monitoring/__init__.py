"""Watching: training profiles, windows of live rows compared with them, value and AUC once labels are in, alerts."""
