"""What joins the capabilities: packing and registering models, promotion, retraining, the thread."""
