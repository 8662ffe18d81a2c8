package collect

import (
	"errors"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"lucid.internal/shared/wire"
)

// cpuZones are the kernel's names of the sensor on the processor, by rank.
var cpuZones = []string{"cpu-thermal", "cpu_thermal", "x86_pkg_temp", "coretemp", "k10temp", "zenpower", "soc-thermal"}

var errNoSensor = errors.New("no temperature sensor of the processor")

// readThermal gives the processor's temperature, and the GPU's where both
// sit on one chip: a Raspberry Pi has one sensor for the two.
func (c *Collector) readThermal() (reading, error) {
	celsius, err := c.temperature()
	return func(s *wire.Sample) {
		if err != nil {
			absent(s, "cpu.temperature_celsius", err.Error())
			if s.GPU != nil {
				absent(s, "gpu.temperature_celsius", err.Error())
			}
			return
		}
		if s.CPU != nil {
			s.CPU.TemperatureCelsius = &celsius
		}
		if s.GPU != nil {
			s.GPU.TemperatureCelsius = &celsius
		}
	}, nil
}

func (c *Collector) temperature() (float64, error) {
	best, rank := "", len(cpuZones)
	consider := func(paths []string, nameFile, valueFile string) {
		for _, path := range paths {
			name, err := os.ReadFile(filepath.Join(path, nameFile))
			if err != nil {
				continue
			}
			r := slices.Index(cpuZones, strings.TrimSpace(string(name)))
			if r >= 0 && r < rank {
				best, rank = filepath.Join(path, valueFile), r
			}
		}
	}
	consider(c.glob("sys/class/thermal/thermal_zone*"), "type", "temp")
	consider(c.glob("sys/class/hwmon/hwmon*"), "name", "temp1_input")
	if best == "" {
		return 0, errNoSensor
	}
	milli, err := readNumber(best)
	if err != nil {
		return 0, err
	}
	celsius := milli / 1000
	if celsius < -100 || celsius > 300 { // a broken sensor says -273000 or 2^31
		return 0, errors.New("the sensor gives " + strconv.FormatFloat(celsius, 'f', -1, 64) + " degrees")
	}
	return celsius, nil
}

// readNumber reads a file that holds one number.
func readNumber(path string) (float64, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return 0, err
	}
	number, err := strconv.ParseFloat(strings.TrimSpace(string(b)), 64)
	if err == nil && (math.IsNaN(number) || math.IsInf(number, 0)) {
		err = errors.New(path + " holds no finite number")
	}
	return number, err
}
