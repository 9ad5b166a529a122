"""A model of VRF devices with VLAN devices in them: makes random events, and knows what they lead to."""

VRFS_MAX, DEVICES_MAX = 5, 12


class Device:
    """A VLAN device: its VID, VRF (or None), address and whether it is up."""

    def __init__(self, vid):
        self.vid, self.vrf, self.subnet, self.up = vid, None, None, False


class World:
    """Names are vrf-r<number> and <port>.<number>; numbers, and with them tables and VIDs, may come again."""

    def __init__(self, rng, port):
        self.rng, self.port = rng, port
        self.vrfs, self.devices = {}, {}  # name -> table; name -> Device
        self.names = self.addresses = 0
        self.history = []

    def event(self):
        """The ip commands of one event that is possible now, and what it is. The model has taken it already."""
        actions = [self.add_vrf, self.add_device, self.add_device]
        if self.vrfs:
            actions += [self.delete_vrf, self.rename_vrf, self.move, self.move]
        if self.devices:
            actions += [self.delete_device, self.rename_device, self.readdress, self.toggle, self.toggle]
        while True:
            made = self.rng.choice(actions)()
            if made:
                return made

    def want(self):
        """What must be served: (VRF, interface, VLANs) -> subnet."""
        return {(d.vrf, name, str(d.vid)): d.subnet for name, d in self.devices.items() if d.vrf and d.subnet and d.up}

    def waiting(self):
        """What must be listed as not served: (VRF, interface)."""
        return {(d.vrf, name) for name, d in self.devices.items() if d.vrf and not (d.subnet and d.up)}

    def new_name(self, stem):
        self.names += 1
        return f"{stem}{self.names}"

    def new_address(self):
        self.addresses += 1
        return f"10.{100 + self.addresses // 250}.{self.addresses % 250}"

    def add_vrf(self):
        free = set(range(2000, 2000 + VRFS_MAX)) - set(self.vrfs.values())
        if not free:
            return None
        name, table = self.new_name("vrf-r"), min(free)
        self.vrfs[name] = table
        return [f"link add {name} type vrf table {table}", f"link set {name} up"], f"add {name}"

    def delete_vrf(self):
        name = self.rng.choice(sorted(self.vrfs))
        del self.vrfs[name]
        for device in self.devices.values():
            if device.vrf == name:
                device.vrf = None
        return [f"link del {name}"], f"delete {name}"

    def rename_vrf(self):
        old, new = self.rng.choice(sorted(self.vrfs)), self.new_name("vrf-r")
        self.vrfs[new] = self.vrfs.pop(old)
        for device in self.devices.values():
            if device.vrf == old:
                device.vrf = new
        return [f"link set {old} down", f"link set {old} name {new}", f"link set {new} up"], f"rename {old} {new}"

    def add_device(self):
        free = set(range(100, 100 + DEVICES_MAX)) - {d.vid for d in self.devices.values()}
        if not free:
            return None
        device = Device(self.rng.choice(sorted(free)))
        name = self.new_name(f"{self.port}.")
        self.devices[name] = device
        lines = [f"link add link {self.port} name {name} type vlan id {device.vid}"]
        if self.vrfs and self.rng.random() < 0.8:
            device.vrf = self.rng.choice(sorted(self.vrfs))
            lines.append(f"link set {name} master {device.vrf}")
        if self.rng.random() < 0.8:
            base = self.new_address()
            device.subnet = f"{base}.0/24"
            lines.append(f"addr add {base}.1/24 dev {name}")
        device.up = self.rng.random() < 0.9
        if device.up:
            lines.append(f"link set {name} up")
        return lines, f"add {name} vid {device.vid} in {device.vrf} {device.subnet} up={device.up}"

    def delete_device(self):
        name = self.rng.choice(sorted(self.devices))
        del self.devices[name]
        return [f"link del {name}"], f"delete {name}"

    def rename_device(self):
        old, new = self.rng.choice(sorted(self.devices)), self.new_name(f"{self.port}.")
        device = self.devices[new] = self.devices.pop(old)
        up = [f"link set {new} up"] if device.up else []
        return [f"link set {old} down", f"link set {old} name {new}", *up], f"rename {old} {new}"

    def move(self):
        if not self.devices:
            return None
        name = self.rng.choice(sorted(self.devices))
        device = self.devices[name]
        target = self.rng.choice([v for v in [*sorted(self.vrfs), None] if v != device.vrf] or [None])
        if target == device.vrf:
            return None
        device.vrf = target
        return [f"link set {name} master {target}" if target else f"link set {name} nomaster"], f"move {name} to {target}"

    def readdress(self):
        name = self.rng.choice(sorted(self.devices))
        device, base = self.devices[name], self.new_address()
        device.subnet = f"{base}.0/24"
        return [f"addr flush dev {name}", f"addr add {base}.1/24 dev {name}"], f"{name} gets {device.subnet}"

    def toggle(self):
        name = self.rng.choice(sorted(self.devices))
        device = self.devices[name]
        device.up = not device.up
        return [f"link set {name} {'up' if device.up else 'down'}"], f"{name} up={device.up}"
