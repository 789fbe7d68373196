package emulator

import (
	"testing"

	"go.uber.org/goleak"

	"moip/internal/browsertest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(browsertest.Tests{M: m}) }
