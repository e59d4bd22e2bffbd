// How many threads a device takes: the processors that affinity and control group leave to the process. The limits are real ones, set on
// a child process.
#include "cpu/processors.h"

#include <gtest/gtest.h>
#include <sched.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmath>
#include <cstdio>
#include <fstream>
#include <functional>
#include <string>

#include "nativequant/nativequant.h"

namespace nq::cpu {
namespace {

// What `body` returns in a child process of its own; -1 if `prepare` failed there.
int in_child(const std::function<bool()>& prepare, const std::function<uint32_t()>& body) {
    const pid_t child = fork();
    if (child == 0) _exit(prepare() ? static_cast<int>(body()) : 255);
    int status = 0;
    EXPECT_EQ(waitpid(child, &status, 0), child);
    EXPECT_TRUE(WIFEXITED(status));
    return WEXITSTATUS(status) == 255 ? -1 : WEXITSTATUS(status);
}

uint32_t threads_of_a_device() {
    unsetenv("NATIVEQUANT_THREADS");
    nq_device* device = nullptr;
    nq_device_info info{};
    if (nq_device_open("cpu", nullptr, &device) != NQ_STATUS_OK || nq_device_get_info(device, &info) != NQ_STATUS_OK) return 0;
    return info.thread_count;
}

bool run_on(int processors) {
    cpu_set_t allowed, chosen;
    CPU_ZERO(&chosen);
    if (sched_getaffinity(0, sizeof allowed, &allowed) != 0) return false;
    for (int cpu = 0; cpu < CPU_SETSIZE && CPU_COUNT(&chosen) < processors; cpu++) {
        if (CPU_ISSET(cpu, &allowed)) CPU_SET(cpu, &chosen);
    }
    return CPU_COUNT(&chosen) == processors && sched_setaffinity(0, sizeof chosen, &chosen) == 0;
}

TEST(Processors, AreThoseOfTheAffinityMask) {
    EXPECT_EQ(in_child([] { return run_on(1); }, threads_of_a_device), 1);
    if (usable_processors() < 2) GTEST_SKIP() << "one processor only: no mask of two can be set";
    EXPECT_EQ(in_child([] { return run_on(2); }, threads_of_a_device), 2);
}

bool write(const std::string& file, const std::string& text) {
    std::ofstream stream(file);
    stream << text << std::flush;
    return stream.good();
}

// A control group with a limit of its own below the process's, removed at the end.
class control_group {
public:
    // v1 if the controller is mounted by itself, else v2.
    control_group() {
        version1_ = access("/sys/fs/cgroup/cpu/cpu.cfs_quota_us", F_OK) == 0 || access("/sys/fs/cgroup/cpu/cgroup.procs", F_OK) == 0;
        folder_ = std::string(version1_ ? "/sys/fs/cgroup/cpu" : "/sys/fs/cgroup") + own_path(version1_ ? "cpu" : "") +
                  "/nativequant-test-" + std::to_string(getpid());
        made_ = mkdir(folder_.c_str(), 0755) == 0;
    }
    ~control_group() {
        if (made_) rmdir(folder_.c_str());
    }
    bool limit(unsigned quota_us, unsigned period_us) const {
        if (!made_) return false;
        if (!version1_) return write(folder_ + "/cpu.max", std::to_string(quota_us) + ' ' + std::to_string(period_us));
        return write(folder_ + "/cpu.cfs_period_us", std::to_string(period_us)) &&
               write(folder_ + "/cpu.cfs_quota_us", std::to_string(quota_us));
    }
    bool enter() const { return write(folder_ + "/cgroup.procs", std::to_string(getpid())); }
    const std::string& folder() const { return folder_; }

private:
    static std::string own_path(const std::string& controller) {
        std::ifstream groups("/proc/self/cgroup");
        for (std::string line; std::getline(groups, line);) {
            const size_t first = line.find(':'), second = line.find(':', first + 1);
            const std::string path = line.substr(second + 1);
            if (line.substr(first + 1, second - first - 1) == controller) return path == "/" ? "" : path;
        }
        return "";
    }

    bool version1_, made_;
    std::string folder_;
};

TEST(Processors, AreNoMoreThanTheControlGroupAllows) {
    const control_group group;
    if (!group.limit(50000, 100000)) GTEST_SKIP() << "no control group with a CPU limit can be made at " << group.folder();
    EXPECT_EQ(in_child([&] { return group.enter(); }, threads_of_a_device), 1) << "half a processor";
    const uint32_t here = usable_processors();
    ASSERT_TRUE(group.limit(120000, 100000));
    EXPECT_EQ(in_child([&] { return group.enter(); }, threads_of_a_device), static_cast<int>(std::min(2u, here))) << "1.2 processors";
    ASSERT_TRUE(group.limit(1000000, 100000));
    EXPECT_EQ(in_child([&] { return group.enter(); }, threads_of_a_device), static_cast<int>(std::min(10u, here))) << "ten processors";
}

}  // namespace
}  // namespace nq::cpu
