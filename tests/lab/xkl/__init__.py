"""The lab: network namespaces, a VLAN switch, real DHCP clients and the appliance between them.

Everything it makes is named xkl..., lives in network namespaces of its own, and is removed by
Lab.close(), also after a failure.
"""
