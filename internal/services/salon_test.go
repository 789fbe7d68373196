package services

import (
	"fmt"
	"io"
	"math/rand"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"moip/minitel"
	"moip/videotex"
)

// chats has callers with the given names meet in SALON.
func chats(t *testing.T, names []string, f func(t *testing.T, s *Services, callers []*caller)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		s := New(Options{})
		callers := make([]*caller, len(names))
		for i, name := range names {
			callers[i] = calls(t, s, "salon")
			callers[i].types(name + "<Envoi>")
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		f(t, s, callers)
		for _, c := range callers {
			c.end.Close()
		}
		synctest.Wait()
		if n := len(s.room.present()); n > 0 {
			t.Errorf("%d members are left", n)
		}
	})
}

func TestChat(t *testing.T) {
	chats(t, []string{"Alice", "Bob"}, func(t *testing.T, s *Services, callers []*caller) {
		alice, bob := callers[0], callers[1]
		alice.shows("vous êtes Alice", "2 présents : Alice, Bob", "* Alice arrive", "* Bob arrive")
		bob.sent()
		alice.types("Bonjour à tous !<Envoi>")
		alice.shows("Alice Bonjour à tous !")
		bob.shows("Alice Bonjour à tous !")
		if n := bob.sent(); n > 45 {
			t.Errorf("a message takes %d bytes", n)
		}
		if got := alice.row(textRow); got != "" {
			t.Errorf("the text stays: %q", got)
		}
		bob.passes(time.Minute)
		bob.types("Un message assez long pour deux lignes<Envoi>")
		alice.shows("Bob Un message assez long pour deux", "\n lignes ")
		alice.golden("salon-deux")

		bob.types("<Sommaire>")
		alice.passes(time.Minute)
		alice.shows("1 présent : Alice ", "* Bob s'en va")
		if bob.over != io.EOF {
			t.Error(bob.over)
		}
	})
}

// What comes while somebody types stays out of their way.
func TestChatWhileTyping(t *testing.T) {
	chats(t, []string{"Alice", "Bob"}, func(t *testing.T, s *Services, callers []*caller) {
		alice, bob := callers[0], callers[1]
		for i, c := range "Où êtes-vous ?" {
			alice.types(string(c))
			bob.types(fmt.Sprintf("Message %d<Envoi>", i))
			bob.passes(3 * time.Second)
		}
		if got := alice.row(textRow); got != " Où êtes-vous ?" {
			t.Errorf("the text is %q", got)
		}
		alice.shows("Bob Message 14")
		if row, column, on := alice.screen.Cursor(); row != textRow || column != 2+14 || !on {
			t.Errorf("the cursor is at %d,%d, %v", row, column, on)
		}
		alice.types("<Correction>!<Envoi>")
		bob.shows("Alice Où êtes-vous !")
		alice.types("<Envoi>")
		if n := len(s.room.kept); n != 2+14+1 {
			t.Errorf("%d messages", n)
		}
	})
}

func TestNames(t *testing.T) {
	chats(t, []string{"Héloïse"}, func(t *testing.T, s *Services, _ []*caller) {
		c := calls(t, s, "salon")
		c.shows("1 présent en ce moment.")
		for name, want := range map[string]error{
			"": errName, "a": errName, "--": errName, "a-": errName, "a b": errName, "***": errName, "Bob>": errName, "œœ£": errName,
			"héloïse": errTaken, "HELOISE": errTaken, "hel0ise": errTaken, "He-lolse": errTaken, "He1oIse": errTaken,
		} {
			if c.types(name + "<Envoi>"); c.row(12) != " "+unaccented(want.Error()) {
				t.Errorf("%q: %q", name, c.row(12))
			}
			c.types("<Annulation>")
		}
		c.types("Jean-Éric 2<Correction><Correction>7<Envoi>")
		c.shows("vous êtes Jean-Eric7")
		c.end.Close()
	})
	for name, ok := range map[string]bool{
		"Zoé": true, "ab": true, "abcdefghijkl": true, "abcdefghijklm": false, "a\x1b[": false, "аб": false, "１２": false, "ﬁﬁ": false, "a\u200bb": false,
	} {
		if isName(name) != ok {
			t.Errorf("%q: %v", name, !ok)
		}
	}
}

// unaccented is how a screen shows capitals.
func unaccented(text string) string { return strings.ReplaceAll(text, "É", "E") }

// Four at once, then one a second.
func TestFlood(t *testing.T) {
	chats(t, []string{"Alice", "Bob"}, func(t *testing.T, s *Services, callers []*caller) {
		alice, bob := callers[0], callers[1]
		for i := range 20 {
			alice.types(fmt.Sprintf("<Annulation>flot %d<Envoi>", i))
		}
		alice.shows("Pas si vite !", " flot 19")
		bob.passes(time.Minute)
		bob.shows("flot 0", "flot 3")
		if strings.Contains(bob.screen.String(), "flot 4") {
			t.Error("the fifth passes")
		}
		alice.types("<Envoi>") // what was too much is still there
		bob.shows("Alice flot 19")
		if strings.Contains(alice.screen.String(), "Pas si vite !") {
			t.Error("the reproach stays")
		}
		alice.passes(time.Minute)
		before := s.room.total
		for i := range 100 {
			alice.types(fmt.Sprintf("<Annulation>%d<Envoi>", i))
			alice.passes(time.Second / 2)
		}
		if said := s.room.total - before; said < 52 || said > 54 {
			t.Errorf("%d messages in 50 s", said)
		}
	})
}

// Who comes and goes all the time is no news after a while, but is counted.
func TestRevolvingDoor(t *testing.T) {
	chats(t, []string{"Alice", "Bob"}, func(t *testing.T, s *Services, callers []*caller) {
		alice, bob := callers[0], callers[1]
		alice.types("Du calme<Envoi>")
		for i := range 100 {
			c := calls(t, s, "salon")
			c.types(fmt.Sprintf("Intrus%d<Envoi>", i))
			if i < 99 {
				c.types("<Sommaire>")
			} else {
				defer c.types("<Sommaire>")
			}
		}
		bob.passes(time.Minute)
		bob.shows("Alice Du calme", "* Intrus0 arrive", "* Intrus1 s'en va", "3 présents : Alice, Bob, Intrus99")
		if strings.Contains(bob.screen.String(), "* Intrus2") {
			t.Error("it goes on being news")
		}
	})
}

// Who reads slowly slows nobody, reads on where they were, and is told what they
// have missed.
func TestSlowMember(t *testing.T) {
	chats(t, []string{"Alice", "Bob"}, func(t *testing.T, s *Services, callers []*caller) {
		alice, bob := callers[0], callers[1]
		slow := calls(t, s, "salon")
		slow.types("Lent<Envoi>")
		<-slow.gate
		for i := range 80 {
			alice.types(fmt.Sprintf("Message %d<Envoi>", i))
			bob.passes(2 * time.Second)
			bob.shows(fmt.Sprintf("Alice Message %d ", i))
		}
		slow.shows("Alice Message 0 ")
		slow.gate <- struct{}{}
		synctest.Wait()
		slow.shows("... messages passés : 29", "Alice Message 30 ", "Alice Message 32 ")
		if strings.Contains(slow.screen.String(), "Message 33") {
			t.Error("too much at once")
		}
		slow.passes(time.Minute)
		slow.shows("Alice Message 79 ")
		slow.end.Close()
	})
}

// A caller who is dropped while their line is busy has left as well.
func TestDropped(t *testing.T) {
	chats(t, []string{"Alice", "Bob"}, func(t *testing.T, s *Services, callers []*caller) {
		alice, bob := callers[0], callers[1]
		<-bob.gate
		alice.types("Bob ?<Envoi>")
		bob.end.Close()
		alice.passes(time.Minute)
		alice.shows("1 présent : Alice ", "* Bob s'en va")
		bob.gate <- struct{}{}
	})
}

// No more comes than a line at 1200 bit/s carries.
func TestChatPace(t *testing.T) {
	chats(t, []string{"Alice", "Bob", "Chloé", "David", "Émile", "Farid", "Gaëlle"}, func(t *testing.T, s *Services, callers []*caller) {
		alice := callers[0]
		alice.sent()
		for range 60 {
			for _, c := range callers[1:] {
				c.types("tout le monde parle en même temps ici<Envoi>")
			}
			alice.passes(time.Second)
		}
		if n := alice.sent(); n < 60*60 || n > 60*130 {
			t.Errorf("%d bytes in a minute", n)
		}
		alice.passes(time.Minute)
		_, total := s.room.last()
		if alice.sent(); total < 300 {
			t.Errorf("%d messages", total)
		}
		alice.passes(time.Hour)
		if n := alice.sent(); n > 0 {
			t.Errorf("%d bytes of silence", n)
		}
	})
}

func TestPageBack(t *testing.T) {
	chats(t, []string{"Alice", "Bob"}, func(t *testing.T, s *Services, callers []*caller) {
		alice, bob := callers[0], callers[1]
		for i := range 60 {
			alice.types(fmt.Sprintf("Message %d<Envoi>", i))
			bob.passes(2 * time.Second)
		}
		bob.types("je cherche")
		bob.sent()
		bob.types("<Retour>")
		if n := bob.sent(); n > 550 {
			t.Errorf("a page takes %d bytes", n)
		}
		bob.shows("Message 38 ", "Message 51 ", "Retour : avant   Suite : après")
		bob.golden("salon-avant")
		for range 10 {
			bob.types("<Retour>")
		}
		bob.shows("Message 10 ")
		if strings.Contains(bob.screen.String(), "Message 9 ") {
			t.Error("more is kept than should be")
		}
		alice.types("Nouveau<Envoi>")
		bob.passes(time.Minute)
		if strings.Contains(bob.screen.String(), "Nouveau") {
			t.Error("it disturbs who reads what was before")
		}
		for range 10 {
			bob.types("<Suite>")
		}
		bob.shows("Alice Nouveau", " je cherche")
		bob.types("<Retour><Envoi>")
		bob.shows("Bob je cherche")
		bob.passes(time.Minute)
		alice.types("Trouvé<Envoi>")
		bob.shows("Alice Trouvé")
	})
}

func TestWhoIsThere(t *testing.T) {
	var names []string
	for _, letter := range "abcdefghjkmnopqrstuv" { // neither i nor l: they look alike
		names = append(names, "Membre"+string(letter))
	}
	chats(t, names, func(t *testing.T, s *Services, callers []*caller) {
		c := callers[19]
		c.types("à demi tapé<Guide>")
		c.shows("20 présents", "Membrea       depuis 01h00")
		c.golden("salon-qui")
		c.types("<Suite>")
		c.shows("Membrev       depuis")
		c.types("<Suite><Retour>")
		c.shows("Membrea       depuis")
		callers[3].types("bonjour<Envoi>")
		c.types("<Guide>")
		c.shows("Membred bonjour", " à demi tapé")
		c.passes(absent)
		callers[4].types("bonsoir<Envoi>")
		c.types("<Guide>")
		c.shows("Membrea       depuis 01h00, absent", "Membree       depuis 01h00  ")
		c.types("<Retour>")
		c.shows(" à demi tapé")
	})
}

func TestFull(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRoom()
		var members []*member
		for i := range maxMembers {
			m, err := r.join(fmt.Sprintf("m%c%c", 'a'+i/10, 'a'+i%10), minitel.New(&echo{}))
			if err != nil {
				t.Fatal(err)
			}
			members = append(members, m)
		}
		if _, err := r.join("Alice", minitel.New(&echo{})); err != errFull {
			t.Error(err)
		}
		r.leave(members[0])
		r.leave(members[0])
		if _, err := r.join("Alice", minitel.New(&echo{})); err != nil {
			t.Error(err)
		}
	})
}

// A hundred callers come, talk and go, each in their own time.
func TestCrowd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := New(Options{})
		witness := calls(t, s, "salon")
		witness.types("temoin<Envoi>")
		for i := range maxMembers - 1 {
			c := calls(t, s, "salon")
			go func() {
				random := rand.New(rand.NewSource(int64(i)))
				rest := func() { time.Sleep(time.Duration(random.Intn(2000)) * time.Millisecond) }
				fmt.Fprintf(sender{c}, "x%c%c\r", 'a'+i/10, 'a'+i%10)
				for n := range 10 {
					rest()
					fmt.Fprintf(sender{c}, "mot %d de %d\r", n, i)
					if random.Intn(5) == 0 {
						io.WriteString(sender{c}, "\x13D\x13H\x13D\x13B\x13B\x13H")
					}
				}
				rest()
				if i%2 == 0 {
					io.WriteString(sender{c}, "\x13F")
				} else {
					c.end.Close()
				}
			}()
		}
		witness.passes(5 * time.Second)
		if n := len(s.room.present()); n < 2 {
			t.Errorf("only %d are there", n)
		}
		witness.passes(10 * time.Minute)
		witness.shows("1 présent : temoin ", "s'en va")
		if _, total := s.room.last(); total < 99*2+600 {
			t.Errorf("%d messages", total)
		}
		if n := len(s.room.members); n != 1 {
			t.Errorf("%d are left", n)
		}
	})
}

// A sender types what is written to it.
type sender struct{ *caller }

func (s sender) Write(p []byte) (int, error) {
	s.end.Send(p)
	return len(p), nil
}

// A meddler is a chat in which somebody says something while its own caller's key
// is obeyed.
type meddler struct{ *chat }

func (m meddler) Key(t *minitel.Terminal, k minitel.Key) {
	m.chat.Key(t, k)
	m.room.add(message{"Bob", fmt.Sprintf("n° %d,", m.room.total)})
}

// What is said just before the page is drawn anew is there once.
func TestSaidMeanwhile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRoom()
		for range 20 {
			r.add(message{"Bob", "bonjour"})
		}
		c := &chat{room: r, text: minitel.Field{Row: textRow, Column: 2, Length: 38, Fill: ' '}}
		terminal := minitel.New(meddler{c})
		defer terminal.Close()
		c.me, _ = r.join("Alice", terminal)
		screen := videotex.NewScreen()
		for _, key := range []string{"", "a", "b", "c", "\x13C", "d"} { // Répétition
			terminal.Send([]byte(key))
			p, err := terminal.Receive()
			if err != nil {
				t.Fatal(err)
			}
			screen.Write(p)
			time.Sleep(time.Minute)
		}
		for n := 21; n < 26; n++ {
			if n := strings.Count(screen.String(), fmt.Sprintf("n° %d,", n)); n != 1 {
				t.Errorf("it is there %d times:\n%s", n, screen)
			}
		}
	})
}
