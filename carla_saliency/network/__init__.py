"""The steering network: built, read from files, fed, and run with its gradient.

    loaded = load_network(path, Reading(contract="udacity"))   # in loading.py
    feed = ContractFeed(ContractPreprocess(loaded.contract))
    steering = loaded.network.steer(feed.look(frame).inputs)

Any file becomes a `LayerGraph` (files.py), which is written as one ONNX graph with its gradient
(graph.py) and run (runtime.py). Nothing is imported here, so that a command that only wants the
contract does not wait for the runtime.
"""
