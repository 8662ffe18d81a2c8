package collect

import (
	"errors"

	"lucid.internal/shared/wire"
)

// readFan reads the speed of the fan that a Raspberry Pi 5 drives
// (Documentation/hwmon/pwm-fan.rst; the device tree names it cooling_fan).
func (c *Collector) readFan() (reading, error) {
	files := c.glob("sys/devices/platform/cooling_fan/hwmon/hwmon*/fan1_input")
	if len(files) == 0 {
		return nil, errors.New("no fan")
	}
	rpm, err := readNumber(files[0])
	if err == nil && (rpm < 0 || rpm > 1e6) {
		err = errors.New("the fan's sensor says nonsense")
	}
	if err != nil {
		return nil, err
	}
	return func(s *wire.Sample) { board(s).FanRPM = &rpm }, nil
}

// board is the sample's, made when something is known of it.
func board(s *wire.Sample) *wire.Board {
	if s.Board == nil {
		s.Board = new(wire.Board)
	}
	return s.Board
}
