"""What a project demands: the value contract applied, evaluations, gates, approvals."""
