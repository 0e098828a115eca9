"""The ground of the lab: namespaces, disks, networks and faults. It needs nothing but the standard library."""
