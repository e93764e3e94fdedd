"""The example that ships with clew: a year of flights from New York, and the loop that keeps a model of them alive."""
