//go:build !unix || aix || solaris

package privilege

import "errors"

func SetMaxFiles(int) error        { return errors.ErrUnsupported }
func Confine(string) error         { return errors.ErrUnsupported }
func Become(int, int, []int) error { return errors.ErrUnsupported }
