package collect

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"

	"lucid.internal/shared/wire"
)

var errNoFirmware = errors.New("no /" + gencmdDevice + " that may be asked")

// readFirmware asks for what no file tells: the clocks that the processor and
// the GPU really run at (cpufreq shows what was asked for, also while the
// firmware throttles), the memory that the GPU was given, and the supply.
func (c *Collector) readFirmware() (reading, error) {
	if _, err := os.Stat(c.path(gencmdDevice)); err != nil {
		return nil, errors.New("no /" + gencmdDevice) // no Raspberry Pi, or an older kernel
	}
	exchange, done, err := c.config.Firmware(c.path(gencmdDevice))
	if err != nil {
		return nil, errNoFirmware
	}
	defer done()
	clock, clockErr := ask(exchange, "measure_clock arm", parseClock)
	memory, memoryErr := ask(exchange, "get_mem gpu", parseGPUMemory)
	gpuClock, gpuErr := ask(exchange, "measure_clock v3d", parseClock)
	supply, supplyErr := ask(exchange, "pmic_read_adc", parseSupply)
	noChip := errors.Is(supplyErr, errRefused) // only a Raspberry Pi 5 has it
	if noChip {
		supplyErr = nil
	}
	return func(s *wire.Sample) {
		if s.CPU != nil && clockErr == nil {
			s.CPU.FrequencyMHz = &clock
			delete(s.Absent, "cpu.frequency_mhz")
		}
		if memoryErr == nil {
			giveGPUMemory(s, memory)
		}
		if s.GPU != nil && gpuErr == nil {
			s.GPU.FrequencyMHz = &gpuClock
		}
		if supply.volts != nil || supply.watts != nil {
			board(s).InputVolts, board(s).PowerWatts = supply.volts, supply.watts
		} else if noChip {
			absent(s, "board.supply", "no power chip that tells")
		}
	}, errors.Join(clockErr, memoryErr, gpuErr, supplyErr)
}

// giveGPUMemory adds the memory to the GPU, which a model without load
// counters has as well.
func giveGPUMemory(s *wire.Sample, bytes uint64) {
	if s.GPU == nil {
		s.GPU = new(wire.GPU)
		why := s.Absent["gpu"]
		delete(s.Absent, "gpu")
		absent(s, "gpu.usage_percent", why)
	}
	s.GPU.MemoryTotalBytes = &bytes
	delete(s.Absent, "gpu.memory")
	absent(s, "gpu.memory_used_bytes", "the firmware does not tell")
}

// parseClock reads "frequency(48)=1500345728", in Hz, as MHz.
func parseClock(text string) (float64, error) {
	_, digits, _ := strings.Cut(text, "=")
	hertz, err := strconv.ParseUint(digits, 10, 48)
	if err != nil || hertz == 0 {
		return 0, fmt.Errorf("it says %q", text)
	}
	return rounded(float64(hertz) / 1e6), nil
}

// parseGPUMemory reads "gpu=76M".
func parseGPUMemory(text string) (uint64, error) {
	digits, mebibytes := strings.CutSuffix(strings.TrimPrefix(text, "gpu="), "M")
	size, err := strconv.ParseUint(digits, 10, 24)
	if err != nil || !mebibytes {
		return 0, fmt.Errorf("it says %q", text)
	}
	return size << 20, nil
}

// supply is what the power chip of a Raspberry Pi 5 tells.
type supply struct{ volts, watts *float64 }

// parseSupply reads lines such as "VDD_CORE_A current(7)=1.11625000A" and
// "VDD_CORE_V volt(15)=0.74944980V": a rail's current and voltage have one name
// but for its end (raspberrypi.com, documentation of vcgencmd pmic_read_adc).
// EXT5V_V is the supply. Power is the sum over all rails that tell both.
func parseSupply(text string) (supply, error) {
	volts, amperes := make(map[string]float64), make(map[string]float64)
	for line := range strings.Lines(text) {
		name, value, found := strings.Cut(strings.TrimSpace(line), "=")
		rail, _, _ := strings.Cut(name, " ")
		if !found {
			continue
		}
		for _, unit := range []struct {
			end  string
			into map[string]float64
		}{{"V", volts}, {"A", amperes}} {
			digits, ofUnit := strings.CutSuffix(value, unit.end)
			n, err := strconv.ParseFloat(digits, 64)
			if ofUnit && err == nil && n >= 0 && n < 1000 {
				unit.into[strings.TrimSuffix(rail, "_"+unit.end)] = n
			}
		}
	}
	var found supply
	if v, known := volts["EXT5V"]; known {
		found.volts = new(rounded(v))
	}
	if len(amperes) > 0 {
		var watts float64
		for rail, a := range amperes {
			watts += a * volts[rail]
		}
		found.watts = new(rounded(watts))
	}
	if found == (supply{}) {
		return found, fmt.Errorf("it says %.60q", text)
	}
	return found, nil
}
