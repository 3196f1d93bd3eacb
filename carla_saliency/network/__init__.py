"""The steering network: built, read from files, fed, and run with its gradient.

    contract = load_contract(path)            # the camera that it was trained with
    preprocess = ContractPreprocess(contract)
    network = load_network(path)              # in runtime.py

Nothing is imported here, so that a command that only wants the contract does not wait for the
runtime.
"""
