package emulator

import (
	"testing"

	"go.uber.org/goleak"

	"moip/internal/testkit/browsertest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(browsertest.Tests{M: m}) }
