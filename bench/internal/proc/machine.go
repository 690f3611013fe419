package proc

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
	"strings"
)

// AllCPUs is what the kernel calls all of them together; one is called by its number behind that.
const AllCPUs = "cpu"

// Ticks is how CPUs have spent their time since the machine was started.
type Ticks struct{ Busy, Idle, Steal int64 }

// ParseTicks reads the line of a CPU, or of AllCPUs, in /proc/stat.
func ParseTicks(text []byte, cpu string) (t Ticks, err error) {
	for line := range bytes.Lines(text) {
		fields := strings.Fields(string(line))
		if len(fields) == 0 || fields[0] != cpu {
			continue
		}
		// user nice system idle iowait irq softirq steal; guest time, which follows, is part of user.
		if len(fields) < 9 {
			return t, fmt.Errorf("only %d fields in %.80q", len(fields), line)
		}
		for i, field := range fields[1:9] {
			n, err := strconv.ParseInt(field, 10, 64)
			if err != nil || n < 0 || n > 1<<55 {
				return t, fmt.Errorf("not a number of ticks: %.30q in %.80q", field, line)
			}
			switch i {
			case 3, 4:
				t.Idle += n
			case 7:
				t.Steal += n
			default:
				t.Busy += n
			}
		}
		return t, nil
	}
	return t, fmt.Errorf("no line %q", cpu)
}

// Shares returns which parts of the time between two looks the CPUs were busy and stolen by the host, from 0 to 1.
func (t Ticks) Shares(since Ticks) (busy, steal float64) {
	b, i, s := t.Busy-since.Busy, t.Idle-since.Idle, t.Steal-since.Steal
	all := float64(b + i + s)
	if all <= 0 {
		return 0, 0
	}
	return float64(b) / all, float64(s) / all
}

// ReadTicks looks at a CPU, or at AllCPUs.
func ReadTicks(cpu string) (Ticks, error) {
	text, err := os.ReadFile("/proc/stat")
	if err != nil {
		return Ticks{}, err
	}
	t, err := ParseTicks(text, cpu)
	if err != nil {
		return t, fmt.Errorf("/proc/stat: %w", err)
	}
	return t, nil
}

// LoadAverage returns the load average of the last minute, as the kernel writes it.
func LoadAverage() (string, error) {
	text, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return "", err
	}
	first, _, _ := strings.Cut(string(text), " ")
	return first, nil
}

// CPUModel returns the name of the CPU, or what stands for it.
func CPUModel() string {
	text, err := os.ReadFile("/proc/cpuinfo")
	if err != nil {
		return "unknown CPU"
	}
	for line := range strings.Lines(string(text)) {
		if key, value, found := strings.Cut(line, ":"); found && strings.TrimSpace(key) == "model name" {
			return strings.TrimSpace(value)
		}
	}
	return "unknown CPU"
}

// Kernel returns the kernel's release.
func Kernel() string {
	text, err := os.ReadFile("/proc/sys/kernel/osrelease")
	if err != nil {
		return "unknown kernel"
	}
	return strings.TrimSpace(string(text))
}
