"""The pages: each module a router, each route with its rule; what they show is asked for elsewhere."""
