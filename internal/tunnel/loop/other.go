//go:build !linux

package loop

import (
	"context"
	"errors"
	"time"
)

// A Group exists on Linux only.
type Group struct{}

func New(int) (*Group, error) { return nil, errors.ErrUnsupported }

func (*Group) Run(context.Context) { panic("loop: not on this system") }
func (*Group) Start(Tunnel) error  { panic("loop: not on this system") }
func (*Group) Stop(time.Duration)  { panic("loop: not on this system") }

func (*Group) Accept(Conn, *Entrance) (func(), error) { panic("loop: not on this system") }
