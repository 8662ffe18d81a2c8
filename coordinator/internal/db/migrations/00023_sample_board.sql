-- Pressure, the GPU's clock, throttling and the board in tables of package
-- sample. Null where a machine does not say, and in all that is older.

-- +goose Up
ALTER TABLE sample
    ADD COLUMN gpu_frequency_mhz real,
    ADD COLUMN cpu_pressure_percent real,
    ADD COLUMN memory_pressure_percent real,
    ADD COLUMN disk_pressure_percent real,
    ADD COLUMN throttle_under_voltage real,
    ADD COLUMN throttle_throttled real,
    ADD COLUMN board_fan_rpm real,
    ADD COLUMN board_input_volts real,
    ADD COLUMN board_power_watts real;
ALTER TABLE sample_1m
    ADD COLUMN gpu_frequency_mhz_min real, ADD COLUMN gpu_frequency_mhz_avg real, ADD COLUMN gpu_frequency_mhz_max real, ADD COLUMN gpu_frequency_mhz_last real,
    ADD COLUMN cpu_pressure_percent_min real, ADD COLUMN cpu_pressure_percent_avg real, ADD COLUMN cpu_pressure_percent_max real, ADD COLUMN cpu_pressure_percent_last real,
    ADD COLUMN memory_pressure_percent_min real, ADD COLUMN memory_pressure_percent_avg real, ADD COLUMN memory_pressure_percent_max real, ADD COLUMN memory_pressure_percent_last real,
    ADD COLUMN disk_pressure_percent_min real, ADD COLUMN disk_pressure_percent_avg real, ADD COLUMN disk_pressure_percent_max real, ADD COLUMN disk_pressure_percent_last real,
    ADD COLUMN throttle_under_voltage_min real, ADD COLUMN throttle_under_voltage_avg real, ADD COLUMN throttle_under_voltage_max real, ADD COLUMN throttle_under_voltage_last real,
    ADD COLUMN throttle_throttled_min real, ADD COLUMN throttle_throttled_avg real, ADD COLUMN throttle_throttled_max real, ADD COLUMN throttle_throttled_last real,
    ADD COLUMN board_fan_rpm_min real, ADD COLUMN board_fan_rpm_avg real, ADD COLUMN board_fan_rpm_max real, ADD COLUMN board_fan_rpm_last real,
    ADD COLUMN board_input_volts_min real, ADD COLUMN board_input_volts_avg real, ADD COLUMN board_input_volts_max real, ADD COLUMN board_input_volts_last real,
    ADD COLUMN board_power_watts_min real, ADD COLUMN board_power_watts_avg real, ADD COLUMN board_power_watts_max real, ADD COLUMN board_power_watts_last real;
ALTER TABLE sample_5m
    ADD COLUMN gpu_frequency_mhz_min real, ADD COLUMN gpu_frequency_mhz_avg real, ADD COLUMN gpu_frequency_mhz_max real, ADD COLUMN gpu_frequency_mhz_last real,
    ADD COLUMN cpu_pressure_percent_min real, ADD COLUMN cpu_pressure_percent_avg real, ADD COLUMN cpu_pressure_percent_max real, ADD COLUMN cpu_pressure_percent_last real,
    ADD COLUMN memory_pressure_percent_min real, ADD COLUMN memory_pressure_percent_avg real, ADD COLUMN memory_pressure_percent_max real, ADD COLUMN memory_pressure_percent_last real,
    ADD COLUMN disk_pressure_percent_min real, ADD COLUMN disk_pressure_percent_avg real, ADD COLUMN disk_pressure_percent_max real, ADD COLUMN disk_pressure_percent_last real,
    ADD COLUMN throttle_under_voltage_min real, ADD COLUMN throttle_under_voltage_avg real, ADD COLUMN throttle_under_voltage_max real, ADD COLUMN throttle_under_voltage_last real,
    ADD COLUMN throttle_throttled_min real, ADD COLUMN throttle_throttled_avg real, ADD COLUMN throttle_throttled_max real, ADD COLUMN throttle_throttled_last real,
    ADD COLUMN board_fan_rpm_min real, ADD COLUMN board_fan_rpm_avg real, ADD COLUMN board_fan_rpm_max real, ADD COLUMN board_fan_rpm_last real,
    ADD COLUMN board_input_volts_min real, ADD COLUMN board_input_volts_avg real, ADD COLUMN board_input_volts_max real, ADD COLUMN board_input_volts_last real,
    ADD COLUMN board_power_watts_min real, ADD COLUMN board_power_watts_avg real, ADD COLUMN board_power_watts_max real, ADD COLUMN board_power_watts_last real;
ALTER TABLE sample_15m
    ADD COLUMN gpu_frequency_mhz_min real, ADD COLUMN gpu_frequency_mhz_avg real, ADD COLUMN gpu_frequency_mhz_max real, ADD COLUMN gpu_frequency_mhz_last real,
    ADD COLUMN cpu_pressure_percent_min real, ADD COLUMN cpu_pressure_percent_avg real, ADD COLUMN cpu_pressure_percent_max real, ADD COLUMN cpu_pressure_percent_last real,
    ADD COLUMN memory_pressure_percent_min real, ADD COLUMN memory_pressure_percent_avg real, ADD COLUMN memory_pressure_percent_max real, ADD COLUMN memory_pressure_percent_last real,
    ADD COLUMN disk_pressure_percent_min real, ADD COLUMN disk_pressure_percent_avg real, ADD COLUMN disk_pressure_percent_max real, ADD COLUMN disk_pressure_percent_last real,
    ADD COLUMN throttle_under_voltage_min real, ADD COLUMN throttle_under_voltage_avg real, ADD COLUMN throttle_under_voltage_max real, ADD COLUMN throttle_under_voltage_last real,
    ADD COLUMN throttle_throttled_min real, ADD COLUMN throttle_throttled_avg real, ADD COLUMN throttle_throttled_max real, ADD COLUMN throttle_throttled_last real,
    ADD COLUMN board_fan_rpm_min real, ADD COLUMN board_fan_rpm_avg real, ADD COLUMN board_fan_rpm_max real, ADD COLUMN board_fan_rpm_last real,
    ADD COLUMN board_input_volts_min real, ADD COLUMN board_input_volts_avg real, ADD COLUMN board_input_volts_max real, ADD COLUMN board_input_volts_last real,
    ADD COLUMN board_power_watts_min real, ADD COLUMN board_power_watts_avg real, ADD COLUMN board_power_watts_max real, ADD COLUMN board_power_watts_last real;
ALTER TABLE sample_1h
    ADD COLUMN gpu_frequency_mhz_min real, ADD COLUMN gpu_frequency_mhz_avg real, ADD COLUMN gpu_frequency_mhz_max real, ADD COLUMN gpu_frequency_mhz_last real,
    ADD COLUMN cpu_pressure_percent_min real, ADD COLUMN cpu_pressure_percent_avg real, ADD COLUMN cpu_pressure_percent_max real, ADD COLUMN cpu_pressure_percent_last real,
    ADD COLUMN memory_pressure_percent_min real, ADD COLUMN memory_pressure_percent_avg real, ADD COLUMN memory_pressure_percent_max real, ADD COLUMN memory_pressure_percent_last real,
    ADD COLUMN disk_pressure_percent_min real, ADD COLUMN disk_pressure_percent_avg real, ADD COLUMN disk_pressure_percent_max real, ADD COLUMN disk_pressure_percent_last real,
    ADD COLUMN throttle_under_voltage_min real, ADD COLUMN throttle_under_voltage_avg real, ADD COLUMN throttle_under_voltage_max real, ADD COLUMN throttle_under_voltage_last real,
    ADD COLUMN throttle_throttled_min real, ADD COLUMN throttle_throttled_avg real, ADD COLUMN throttle_throttled_max real, ADD COLUMN throttle_throttled_last real,
    ADD COLUMN board_fan_rpm_min real, ADD COLUMN board_fan_rpm_avg real, ADD COLUMN board_fan_rpm_max real, ADD COLUMN board_fan_rpm_last real,
    ADD COLUMN board_input_volts_min real, ADD COLUMN board_input_volts_avg real, ADD COLUMN board_input_volts_max real, ADD COLUMN board_input_volts_last real,
    ADD COLUMN board_power_watts_min real, ADD COLUMN board_power_watts_avg real, ADD COLUMN board_power_watts_max real, ADD COLUMN board_power_watts_last real;

-- +goose Down
ALTER TABLE sample_1h
    DROP COLUMN gpu_frequency_mhz_min, DROP COLUMN gpu_frequency_mhz_avg, DROP COLUMN gpu_frequency_mhz_max, DROP COLUMN gpu_frequency_mhz_last,
    DROP COLUMN cpu_pressure_percent_min, DROP COLUMN cpu_pressure_percent_avg, DROP COLUMN cpu_pressure_percent_max, DROP COLUMN cpu_pressure_percent_last,
    DROP COLUMN memory_pressure_percent_min, DROP COLUMN memory_pressure_percent_avg, DROP COLUMN memory_pressure_percent_max, DROP COLUMN memory_pressure_percent_last,
    DROP COLUMN disk_pressure_percent_min, DROP COLUMN disk_pressure_percent_avg, DROP COLUMN disk_pressure_percent_max, DROP COLUMN disk_pressure_percent_last,
    DROP COLUMN throttle_under_voltage_min, DROP COLUMN throttle_under_voltage_avg, DROP COLUMN throttle_under_voltage_max, DROP COLUMN throttle_under_voltage_last,
    DROP COLUMN throttle_throttled_min, DROP COLUMN throttle_throttled_avg, DROP COLUMN throttle_throttled_max, DROP COLUMN throttle_throttled_last,
    DROP COLUMN board_fan_rpm_min, DROP COLUMN board_fan_rpm_avg, DROP COLUMN board_fan_rpm_max, DROP COLUMN board_fan_rpm_last,
    DROP COLUMN board_input_volts_min, DROP COLUMN board_input_volts_avg, DROP COLUMN board_input_volts_max, DROP COLUMN board_input_volts_last,
    DROP COLUMN board_power_watts_min, DROP COLUMN board_power_watts_avg, DROP COLUMN board_power_watts_max, DROP COLUMN board_power_watts_last;
ALTER TABLE sample_15m
    DROP COLUMN gpu_frequency_mhz_min, DROP COLUMN gpu_frequency_mhz_avg, DROP COLUMN gpu_frequency_mhz_max, DROP COLUMN gpu_frequency_mhz_last,
    DROP COLUMN cpu_pressure_percent_min, DROP COLUMN cpu_pressure_percent_avg, DROP COLUMN cpu_pressure_percent_max, DROP COLUMN cpu_pressure_percent_last,
    DROP COLUMN memory_pressure_percent_min, DROP COLUMN memory_pressure_percent_avg, DROP COLUMN memory_pressure_percent_max, DROP COLUMN memory_pressure_percent_last,
    DROP COLUMN disk_pressure_percent_min, DROP COLUMN disk_pressure_percent_avg, DROP COLUMN disk_pressure_percent_max, DROP COLUMN disk_pressure_percent_last,
    DROP COLUMN throttle_under_voltage_min, DROP COLUMN throttle_under_voltage_avg, DROP COLUMN throttle_under_voltage_max, DROP COLUMN throttle_under_voltage_last,
    DROP COLUMN throttle_throttled_min, DROP COLUMN throttle_throttled_avg, DROP COLUMN throttle_throttled_max, DROP COLUMN throttle_throttled_last,
    DROP COLUMN board_fan_rpm_min, DROP COLUMN board_fan_rpm_avg, DROP COLUMN board_fan_rpm_max, DROP COLUMN board_fan_rpm_last,
    DROP COLUMN board_input_volts_min, DROP COLUMN board_input_volts_avg, DROP COLUMN board_input_volts_max, DROP COLUMN board_input_volts_last,
    DROP COLUMN board_power_watts_min, DROP COLUMN board_power_watts_avg, DROP COLUMN board_power_watts_max, DROP COLUMN board_power_watts_last;
ALTER TABLE sample_5m
    DROP COLUMN gpu_frequency_mhz_min, DROP COLUMN gpu_frequency_mhz_avg, DROP COLUMN gpu_frequency_mhz_max, DROP COLUMN gpu_frequency_mhz_last,
    DROP COLUMN cpu_pressure_percent_min, DROP COLUMN cpu_pressure_percent_avg, DROP COLUMN cpu_pressure_percent_max, DROP COLUMN cpu_pressure_percent_last,
    DROP COLUMN memory_pressure_percent_min, DROP COLUMN memory_pressure_percent_avg, DROP COLUMN memory_pressure_percent_max, DROP COLUMN memory_pressure_percent_last,
    DROP COLUMN disk_pressure_percent_min, DROP COLUMN disk_pressure_percent_avg, DROP COLUMN disk_pressure_percent_max, DROP COLUMN disk_pressure_percent_last,
    DROP COLUMN throttle_under_voltage_min, DROP COLUMN throttle_under_voltage_avg, DROP COLUMN throttle_under_voltage_max, DROP COLUMN throttle_under_voltage_last,
    DROP COLUMN throttle_throttled_min, DROP COLUMN throttle_throttled_avg, DROP COLUMN throttle_throttled_max, DROP COLUMN throttle_throttled_last,
    DROP COLUMN board_fan_rpm_min, DROP COLUMN board_fan_rpm_avg, DROP COLUMN board_fan_rpm_max, DROP COLUMN board_fan_rpm_last,
    DROP COLUMN board_input_volts_min, DROP COLUMN board_input_volts_avg, DROP COLUMN board_input_volts_max, DROP COLUMN board_input_volts_last,
    DROP COLUMN board_power_watts_min, DROP COLUMN board_power_watts_avg, DROP COLUMN board_power_watts_max, DROP COLUMN board_power_watts_last;
ALTER TABLE sample_1m
    DROP COLUMN gpu_frequency_mhz_min, DROP COLUMN gpu_frequency_mhz_avg, DROP COLUMN gpu_frequency_mhz_max, DROP COLUMN gpu_frequency_mhz_last,
    DROP COLUMN cpu_pressure_percent_min, DROP COLUMN cpu_pressure_percent_avg, DROP COLUMN cpu_pressure_percent_max, DROP COLUMN cpu_pressure_percent_last,
    DROP COLUMN memory_pressure_percent_min, DROP COLUMN memory_pressure_percent_avg, DROP COLUMN memory_pressure_percent_max, DROP COLUMN memory_pressure_percent_last,
    DROP COLUMN disk_pressure_percent_min, DROP COLUMN disk_pressure_percent_avg, DROP COLUMN disk_pressure_percent_max, DROP COLUMN disk_pressure_percent_last,
    DROP COLUMN throttle_under_voltage_min, DROP COLUMN throttle_under_voltage_avg, DROP COLUMN throttle_under_voltage_max, DROP COLUMN throttle_under_voltage_last,
    DROP COLUMN throttle_throttled_min, DROP COLUMN throttle_throttled_avg, DROP COLUMN throttle_throttled_max, DROP COLUMN throttle_throttled_last,
    DROP COLUMN board_fan_rpm_min, DROP COLUMN board_fan_rpm_avg, DROP COLUMN board_fan_rpm_max, DROP COLUMN board_fan_rpm_last,
    DROP COLUMN board_input_volts_min, DROP COLUMN board_input_volts_avg, DROP COLUMN board_input_volts_max, DROP COLUMN board_input_volts_last,
    DROP COLUMN board_power_watts_min, DROP COLUMN board_power_watts_avg, DROP COLUMN board_power_watts_max, DROP COLUMN board_power_watts_last;
ALTER TABLE sample
    DROP COLUMN gpu_frequency_mhz,
    DROP COLUMN cpu_pressure_percent,
    DROP COLUMN memory_pressure_percent,
    DROP COLUMN disk_pressure_percent,
    DROP COLUMN throttle_under_voltage,
    DROP COLUMN throttle_throttled,
    DROP COLUMN board_fan_rpm,
    DROP COLUMN board_input_volts,
    DROP COLUMN board_power_watts;
