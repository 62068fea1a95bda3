"""The studio: collect, label, train, try live and deploy gesture models in the browser."""
