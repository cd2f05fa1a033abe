//! Which system calls a process may make from now on (seccomp(2)): a filter made of a table, checked by the kernel at
//! every call, and never lifted again.
//!
//! The kernel translates a new filter, and runs it once for every number to see which calls are always allowed, so its length,
//! and the length on the way to a decision, are what installing it costs, for each child: runs of numbers with the same verdict
//! are one, they are looked up by halving, and all end at the same two steps.

use super::{Errno, Result};

/// One row of a policy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rule {
    /// The system call.
    pub call: libc::c_long,
    /// What its arguments must be.
    pub only: Only,
    /// A descriptor that its first argument must not be.
    pub not_on: Option<u32>,
    /// Who needs it, for the reader.
    pub why: &'static str,
}

/// A condition on the arguments of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Only {
    /// None.
    Any,
    /// The low 32 bits of argument number `.0` are `.1`.
    Is(u32, u32),
    /// None of the bits `.1` is set in the low 32 bits of argument number `.0`.
    Without(u32, u32),
    /// Some of the bits `.1` are set in the low 32 bits of argument number `.0`.
    With(u32, u32),
    /// The call is answered as if this kernel did not have it (ENOSYS), so that its caller takes an older way.
    Unknown,
    /// Argument number `.0` is a null pointer, all 64 bits of it.
    Null(u32),
    /// The low 32 bits of argument number `.0` are at least `.1`.
    AtLeast(u32, u32),
}

/// A row without a condition.
#[must_use]
pub const fn row(call: libc::c_long, why: &'static str) -> Rule {
    only(call, Only::Any, why)
}

/// A row with one.
#[must_use]
pub const fn only(call: libc::c_long, only: Only, why: &'static str) -> Rule {
    Rule {
        call,
        only,
        not_on: None,
        why,
    }
}

/// The same table, in which none of `calls` may have `descriptor`, if there is one, as its first argument. Worth something only where
/// no call is left that gives the descriptor another number.
#[must_use]
pub fn sparing(rules: &[Rule], calls: &[libc::c_long], descriptor: Option<u32>) -> Vec<Rule> {
    let mut rules = rules.to_vec();
    for rule in rules.iter_mut().filter(|rule| calls.contains(&rule.call)) {
        rule.not_on = descriptor;
    }
    rules
}

/// A filter, ready to be installed.
#[derive(Debug, Clone)]
pub struct Filter(Vec<libc::sock_filter>);

#[cfg(target_arch = "x86_64")]
const ARCH: u32 = 0xc000_003e;
#[cfg(target_arch = "aarch64")]
const ARCH: u32 = 0xc000_00b7;
/// Bit of the numbers of the x32 ABI (x86_64 only; no call has it elsewhere).
const X32: u32 = 0x4000_0000;

// Offsets in struct seccomp_data (linux/seccomp.h).
const NUMBER: u32 = 0;
const ARCHITECTURE: u32 = 4;
const ARGUMENTS: u32 = 16;

const ALLOW: u32 = libc::SECCOMP_RET_ALLOW;
const KILL: u32 = libc::SECCOMP_RET_KILL_PROCESS;
const UNKNOWN: u32 = libc::SECCOMP_RET_ERRNO | libc::ENOSYS as u32;

const LOAD: u16 = (libc::BPF_LD | libc::BPF_W | libc::BPF_ABS) as u16;
const RETURN: u16 = (libc::BPF_RET | libc::BPF_K) as u16;
const EQUAL: u16 = (libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K) as u16;
const AT_LEAST: u16 = (libc::BPF_JMP | libc::BPF_JGE | libc::BPF_K) as u16;
const ANY_BIT: u16 = (libc::BPF_JMP | libc::BPF_JSET | libc::BPF_K) as u16;
const GO: u16 = (libc::BPF_JMP | libc::BPF_JA) as u16;

fn step(code: u16, k: u32, jt: u8, jf: u8) -> libc::sock_filter {
    libc::sock_filter { code, jt, jf, k }
}

impl Filter {
    /// Allows what `rules` say, and kills the process at any other call. A call may have several rows: one of them has to fit.
    #[must_use]
    pub fn new(rules: &[Rule]) -> Filter {
        let mut rules = rules.to_vec();
        rules.sort_by_key(|rule| rule.call);
        let mut code = Code::default();
        let mut runs = vec![(0, code.kill)];
        for rows in rules.chunk_by(|one, other| one.call == other.call) {
            let call = rows[0].call as u32;
            let verdict = code.conditions(rows);
            // The call's own run takes the place of what began there, and what stands after it is killed.
            runs.pop_if(|(first, _)| *first == call);
            runs.extend([(call, verdict), (call + 1, code.kill)]);
        }
        runs.dedup_by_key(|(_, verdict)| *verdict);
        let decided = code.decide(&runs);
        let kill = code.kill;
        code.jump(AT_LEAST, X32, kill, decided);
        let number = code.load(NUMBER);
        code.jump(EQUAL, ARCH, number, kill);
        code.load(ARCHITECTURE);
        code.steps.reverse();
        Filter(code.steps)
    }

    /// Puts the filter on this process, for good. Needs no_new_privs (or CAP_SYS_ADMIN).
    ///
    /// # Errors
    /// EINVAL when the kernel has no seccomp filters; EACCES without no_new_privs.
    pub fn install(&self) -> Result<()> {
        let program = libc::sock_fprog {
            len: u16::try_from(self.0.len()).map_err(|_| Errno::E2BIG)?,
            filter: self.0.as_ptr().cast_mut(),
        };
        let flags: libc::c_ulong = 0;
        // SAFETY: the kernel reads `len` instructions from `filter`, which `self` keeps alive, and copies them.
        let installed = unsafe {
            libc::syscall(
                libc::SYS_seccomp,
                libc::SECCOMP_SET_MODE_FILTER,
                flags,
                &raw const program,
            )
        };
        Errno::result(installed).map(drop)
    }
}

/// Code from its end to its beginning: jumps go forward only, so what they lead to is there before them. A place is counted from
/// the end, from 0.
struct Code {
    steps: Vec<libc::sock_filter>,
    kill: usize,
    allow: usize,
}

impl Default for Code {
    fn default() -> Code {
        Code {
            steps: vec![step(RETURN, KILL, 0, 0), step(RETURN, ALLOW, 0, 0)],
            kill: 0,
            allow: 1,
        }
    }
}

impl Code {
    fn push(&mut self, step: libc::sock_filter) -> usize {
        self.steps.push(step);
        self.steps.len() - 1
    }

    /// Goes on with what was pushed last.
    fn load(&mut self, offset: u32) -> usize {
        self.push(step(LOAD, offset, 0, 0))
    }

    /// Goes on at `yes` if the accumulator is so to `k`, and otherwise at `no`.
    fn jump(&mut self, code: u16, k: u32, yes: usize, no: usize) -> usize {
        let (yes, no) = (self.near(yes), self.near(no));
        let distance = |to: usize| (self.steps.len() - 1 - to) as u8;
        self.push(step(code, k, distance(yes), distance(no)))
    }

    /// `place`, or one that leads there and that eight bits reach: from the next step, or from the one after it.
    fn near(&mut self, place: usize) -> usize {
        let distance = self.steps.len() - 1 - place;
        if distance < usize::from(u8::MAX) {
            return place;
        }
        match self.steps[place] {
            end if end.code == RETURN => self.push(end),
            _ => self.push(step(GO, distance as u32, 0, 0)),
        }
    }

    /// Decides about the number in the accumulator, which is in one of `runs`: the first of each, and where to go on.
    fn decide(&mut self, runs: &[(u32, usize)]) -> usize {
        if let [(_, verdict)] = runs {
            return *verdict;
        }
        let (low, high) = runs.split_at(runs.len() / 2);
        let pivot = high[0].0;
        let (high, low) = (self.decide(high), self.decide(low));
        self.jump(AT_LEAST, pivot, high, low)
    }

    /// Looks at the arguments of one call.
    fn conditions(&mut self, rows: &[Rule]) -> usize {
        let (allow, mut otherwise) = (self.allow, self.kill);
        for row in rows {
            // Little-endian: the low half of an argument comes first.
            let at = |argument: u32| ARGUMENTS + 8 * argument;
            let next = otherwise;
            otherwise = match row.only {
                Only::Any if row.not_on.is_none() => return allow,
                Only::Any => allow,
                Only::Unknown => return self.push(step(RETURN, UNKNOWN, 0, 0)),
                Only::Is(argument, value) => {
                    self.jump(EQUAL, value, allow, otherwise);
                    self.load(at(argument))
                }
                Only::AtLeast(argument, least) => {
                    self.jump(AT_LEAST, least, allow, otherwise);
                    self.load(at(argument))
                }
                Only::With(argument, bits) => {
                    self.jump(ANY_BIT, bits, allow, otherwise);
                    self.load(at(argument))
                }
                Only::Without(argument, bits) => {
                    self.jump(ANY_BIT, bits, otherwise, allow);
                    self.load(at(argument))
                }
                Only::Null(argument) => {
                    self.jump(EQUAL, 0, allow, otherwise);
                    let high = self.load(at(argument) + 4);
                    self.jump(EQUAL, 0, high, otherwise);
                    self.load(at(argument))
                }
            };
            if let Some(descriptor) = row.not_on {
                self.jump(EQUAL, descriptor, next, otherwise);
                otherwise = self.load(at(0));
            }
        }
        otherwise
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the kernel's interpreter would say.
    fn run(filter: &Filter, arch: u32, number: u32, arguments: [u64; 6]) -> u32 {
        let (mut at, mut accumulator) = (0, 0u32);
        loop {
            let step = filter.0[at];
            at += 1;
            let jump = |yes: bool| usize::from(if yes { step.jt } else { step.jf });
            match step.code {
                LOAD => {
                    accumulator = match step.k {
                        NUMBER => number,
                        ARCHITECTURE => arch,
                        offset => {
                            let at = (offset - ARGUMENTS) as usize;
                            (arguments[at / 8] >> (8 * (at % 8))) as u32
                        }
                    }
                }
                RETURN => return step.k,
                EQUAL => at += jump(accumulator == step.k),
                AT_LEAST => at += jump(accumulator >= step.k),
                ANY_BIT => at += jump(accumulator & step.k != 0),
                GO => at += step.k as usize,
                other => panic!("instruction {other:#x}"),
            }
        }
    }

    #[test]
    fn the_filter_allows_the_table_and_nothing_else() {
        let row = |call, only| super::only(call, only, "");
        let mut rules: Vec<Rule> = (0..400)
            .step_by(3)
            .map(|call| row(call, Only::Any))
            .collect();
        rules.extend([
            row(1, Only::Is(1, 7)),
            row(1, Only::Is(1, 9)),
            row(2, Only::Without(2, 0b100)),
            row(4, Only::Null(1)),
            row(5, Only::AtLeast(1, 3)),
        ]);
        let filter = Filter::new(&rules);
        let asks = |number, second, third| run(&filter, ARCH, number, [0, second, third, 0, 0, 0]);
        for number in 0..600 {
            let expected = if number < 400 && number % 3 == 0 {
                ALLOW
            } else {
                KILL
            };
            if ![1, 2, 4, 5].contains(&number) {
                assert_eq!(asks(number, 0, 0), expected, "{number}");
            }
        }
        assert_eq!(
            (asks(1, 7, 0), asks(1, 9, 0), asks(1, 8, 0)),
            (ALLOW, ALLOW, KILL)
        );
        assert_eq!((asks(2, 0, 0b011), asks(2, 0, 0b110)), (ALLOW, KILL));
        assert_eq!(
            [0, 1, 1 << 32].map(|pointer| asks(4, pointer, 0)),
            [ALLOW, KILL, KILL]
        );
        assert_eq!([2, 3, 4].map(|n| asks(5, n, 0)), [KILL, ALLOW, ALLOW]);
        // The same, but that some of them are not for descriptor 9.
        let filter = Filter::new(&sparing(&rules, &[1, 2, 3], Some(9)));
        let asks = |number, first, second, third| {
            run(&filter, ARCH, number, [first, second, third, 0, 0, 0])
        };
        for (number, second, third, verdict) in [
            (1, 7, 0, ALLOW),
            (1, 9, 0, ALLOW),
            (1, 8, 0, KILL),
            (2, 0, 0b011, ALLOW),
            (2, 0, 0b110, KILL),
            (3, 0, 0, ALLOW),
            (5, 3, 0, ALLOW),
            (6, 0, 0, ALLOW),
        ] {
            let spared = number <= 3;
            assert_eq!(asks(number, 8, second, third), verdict, "{number}");
            let on = asks(number, 9, second, third);
            assert_eq!(on, if spared { KILL } else { verdict }, "{number}");
            // The kernel looks at the low half of a descriptor.
            let high = asks(number, 9 | 1 << 32, second, third);
            assert_eq!(high, on, "{number}");
        }
        assert_eq!(run(&filter, ARCH, 3 | X32, [0; 6]), KILL, "x32");
        assert_eq!(run(&filter, 0x4000_0003, 3, [0; 6]), KILL, "int 0x80");
    }
}
