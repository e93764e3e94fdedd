"""The REST API of MLflow, for its unmodified clients: tracking, registry, logged models and artifacts of one project.

Routes and their verbs: `routes`. Semantics: docs/design/mlflow.md. Nothing here imports mlflow.
"""
