package collect

import (
	"errors"
	"slices"
	"strings"

	"github.com/shirou/gopsutil/v3/net"

	"lucid.internal/shared/wire"
)

// virtualInterface names interfaces that carry what a real one carries too
// (bridges, tunnels, container pairs), or that never leave the machine.
func virtualInterface(name string) bool {
	return name == "lo" || startsWith(name,
		"veth", "docker", "br-", "br0", "br1", "virbr", "vnet", "cni", "flannel", "cali",
		"tun", "tap", "wg", "ifb", "dummy", "sit", "ip6tnl", "bond", "team")
}

func (c *Collector) readNetwork() (reading, error) {
	counters, err := net.IOCountersWithContext(c.context, true)
	if err != nil {
		return nil, err
	}
	figures := networkFrom(counters)
	if len(figures.Interfaces) == 0 {
		return nil, errors.New("no network interface besides virtual ones")
	}
	figures.Interfaces = figures.Interfaces[:min(len(figures.Interfaces), wire.MaxListItems)]
	wireless := c.readLinks(figures.Interfaces)
	return func(s *wire.Sample) {
		s.Network = figures
		if !wireless {
			absent(s, "network.wireless", "no wireless link")
		}
		if names := silentLinks(figures.Interfaces); names != "" {
			absent(s, "network.links", "wireless, down, or a driver that does not tell: "+names)
		}
	}, nil
}

// silentLinks are the interfaces of which the kernel does not tell all.
func silentLinks(list []wire.Interface) string {
	var names []string
	for _, i := range list {
		if i.SpeedMbps == nil || i.CarrierChanges == nil {
			names = append(names, i.Name)
		}
	}
	return strings.Join(names, ", ")
}

func networkFrom(counters []net.IOCountersStat) *wire.Network {
	counters = slices.DeleteFunc(counters, func(i net.IOCountersStat) bool {
		return virtualInterface(i.Name)
	})
	slices.SortFunc(counters, func(a, b net.IOCountersStat) int { return strings.Compare(a.Name, b.Name) })
	n := new(wire.Network)
	for _, i := range counters {
		n.Interfaces = append(n.Interfaces, wire.Interface{
			Name: clip(i.Name), BytesIn: i.BytesRecv, BytesOut: i.BytesSent,
		})
		n.TotalBytesIn += i.BytesRecv
		n.TotalBytesOut += i.BytesSent
		n.PacketsIn += i.PacketsRecv
		n.PacketsOut += i.PacketsSent
		n.ErrorsIn += i.Errin
		n.ErrorsOut += i.Errout
	}
	return n
}
