/* SPDX-License-Identifier: Apache-2.0
 *
 * A kernel that refuses to bind, as a container's seccomp profile may: EPERM to what chooses
 * CPUs or NUMA nodes. Needs no privilege and holds for the calling thread and those it starts. */
#ifndef PN_TESTS_SECCOMP_H
#define PN_TESTS_SECCOMP_H

#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#define SECCOMP_REFUSE(number)                                                             \
    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, number, 0, 1),                                     \
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM)

/* @cpus: sched_setaffinity too. False where the kernel has no filters. */
static inline bool seccomp_refuse(bool cpus)
{
    struct sock_filter program[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        SECCOMP_REFUSE(SYS_mbind), SECCOMP_REFUSE(SYS_set_mempolicy),
        SECCOMP_REFUSE(SYS_get_mempolicy),
        SECCOMP_REFUSE(cpus ? SYS_sched_setaffinity : SYS_mbind),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)};
    struct sock_fprog filter = {sizeof program / sizeof program[0], program};

    return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
           prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter, 0, 0) == 0;
}

#endif
